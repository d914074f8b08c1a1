/* SPDX-License-Identifier: Apache-2.0 */
#include "terminal_rescue.h"

#include "memory.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LEAVE_BYTES = 512, STACK_BYTES = 64 * 1024, WAIT_MS = 50, WAITS = 20 };

static const int fatal[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};

static struct {
	atomic_bool armed, rescued;
	bool installed, registered, has_stack;
	int output;
	pid_t owner; /* not a child of it that calls exit() */
	struct termios modes;
	char leave[LEAVE_BYTES];
	size_t length;
	struct sigaction before[ARRAY_COUNT(fatal)];
} rescue;

/* A stack that has run over is no place to clean up. */
static char stack[STACK_BYTES];

void terminal_write_all(int output, const char *bytes, size_t length)
{
	struct pollfd ready = {.fd = output, .events = POLLOUT};
	int waits = 0;

	while (length != 0) {
		ssize_t written = write(output, bytes, length);

		if (written > 0) {
			bytes += written;
			length -= (size_t)written;
		} else if (written == 0 || (errno != EAGAIN && errno != EINTR)) {
			return;
		} else if (errno == EAGAIN) {
			if (waits++ == WAITS)
				return;
			poll(&ready, 1, WAIT_MS);
		}
	}
}

static void give_back(void)
{
	if (rescue.owner != getpid() || !atomic_exchange(&rescue.armed, false))
		return;
	atomic_store(&rescue.rescued, true);
	terminal_write_all(rescue.output, rescue.leave, rescue.length);
	tcsetattr(rescue.output, TCSANOW, &rescue.modes);
}

static void on_fatal(int signal, siginfo_t *info, void *context)
{
	int saved = errno;

	(void)context;
	give_back();
	for (size_t i = 0; i < ARRAY_COUNT(fatal); i++)
		if (fatal[i] == signal)
			sigaction(signal, &rescue.before[i], NULL);
	/* A fault happens again on return, and then it takes its course; what was sent does not. */
	if (info->si_code <= 0)
		raise(signal);
	errno = saved;
}

static void on_exit_give_back(void)
{
	give_back();
}

static void install(void)
{
	struct sigaction action = {.sa_sigaction = on_fatal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	stack_t own = {.ss_sp = stack, .ss_size = sizeof(stack)}, old;

	if (sigaltstack(NULL, &old) == 0 && (old.ss_flags & SS_DISABLE) != 0)
		rescue.has_stack = sigaltstack(&own, NULL) == 0;
	sigemptyset(&action.sa_mask);
	sigaddset(&action.sa_mask, SIGTTOU); /* the modes may be set from the background too */
	for (size_t i = 0; i < ARRAY_COUNT(fatal); i++)
		sigaction(fatal[i], &action, &rescue.before[i]);
	if (!rescue.registered)
		rescue.registered = atexit(on_exit_give_back) == 0;
	rescue.installed = true;
}

void terminal_rescue_arm(int output, const struct termios *modes, const struct text *leave)
{
	rescue.output = output;
	rescue.owner = getpid();
	rescue.modes = *modes;
	rescue.length = leave->length < LEAVE_BYTES ? leave->length : 0;
	if (rescue.length != 0)
		memcpy(rescue.leave, leave->bytes, rescue.length);
	atomic_store(&rescue.rescued, false);
	if (!rescue.installed)
		install();
	atomic_store(&rescue.armed, true);
}

void terminal_rescue_disarm(void)
{
	atomic_store(&rescue.armed, false);
}

void terminal_rescue_remove(void)
{
	stack_t none = {.ss_flags = SS_DISABLE};

	terminal_rescue_disarm();
	if (!rescue.installed)
		return;
	for (size_t i = 0; i < ARRAY_COUNT(fatal); i++)
		sigaction(fatal[i], &rescue.before[i], NULL);
	if (rescue.has_stack)
		sigaltstack(&none, NULL);
	rescue.installed = rescue.has_stack = false;
}

bool terminal_is_rescued(void)
{
	return atomic_load(&rescue.rescued);
}
