/* SPDX-License-Identifier: Apache-2.0 */
#include "run_child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const int forwarded[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM,  SIGUSR1, SIGUSR2,
                                SIGALRM, SIGCONT, SIGURG,  SIGWINCH, SIGIO,   SIGPWR};

static void collect_signals(sigset_t *signals)
{
	sigemptyset(signals);
	sigaddset(signals, SIGCHLD);
	for (size_t i = 0; i < sizeof(forwarded) / sizeof(forwarded[0]); i++)
		sigaddset(signals, forwarded[i]);
	for (int number = SIGRTMIN; number <= SIGRTMAX; number++)
		sigaddset(signals, number);
}

/* Does not return. Tells why through the pipe, which exec closes. */
static void become_program(char *const *argv, const char *const *environment, const sigset_t *mask,
                           int pipe_fd)
{
	int error = 0;

	for (; error == 0 && environment[0] != NULL; environment += 2)
		if (setenv(environment[0], environment[1], 1) != 0)
			error = errno;
	sigprocmask(SIG_SETMASK, mask, NULL);
	if (error == 0) {
		execvp(argv[0], argv);
		error = errno;
	}
	if (write(pipe_fd, &error, sizeof(error)) != sizeof(error))
		_exit(126);
	_exit(127);
}

int run_child_start(struct run_child *child, char *const *argv, const char *const *environment)
{
	int fds[2], error = 0;
	sigset_t before;
	ssize_t size;

	if (pipe2(fds, O_CLOEXEC) != 0)
		return -errno;
	collect_signals(&child->signals);
	sigprocmask(SIG_BLOCK, &child->signals, &before);
	child->pid = fork();
	if (child->pid == 0)
		become_program(argv, environment, &before, fds[1]);
	error = child->pid < 0 ? errno : 0;
	close(fds[1]);
	do
		size = error == 0 ? read(fds[0], &error, sizeof(error)) : 0;
	while (size < 0 && errno == EINTR);
	close(fds[0]);
	if (error != 0 && child->pid > 0)
		waitpid(child->pid, NULL, 0);
	if (error != 0)
		sigprocmask(SIG_SETMASK, &before, NULL);
	/* The summary is still to come when nobody reads the program's output any more. */
	signal(SIGPIPE, SIG_IGN);
	return -error;
}

static int64_t monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What the kernel sent (a terminal, for all the group) the program has got itself. */
static void forward(const struct run_child *child, const siginfo_t *info)
{
	if (info->si_code > 0 || info->si_pid == child->pid)
		return;
	if (info->si_signo >= SIGRTMIN && info->si_code == SI_QUEUE)
		sigqueue(child->pid, info->si_signo, info->si_value);
	else
		kill(child->pid, info->si_signo);
}

int run_child_wait(struct run_child *child, int64_t timeout_ms, int *ret_status)
{
	int64_t end = monotonic_ms() + timeout_ms;

	for (;;) {
		int64_t left = timeout_ms < 0 ? 3600000 : end - monotonic_ms();
		struct timespec wait;
		siginfo_t info;

		if (waitpid(child->pid, ret_status, WNOHANG) == child->pid)
			return 1;
		if (left <= 0)
			return 0;
		wait = (struct timespec){left / 1000, left % 1000 * 1000000};
		if (sigtimedwait(&child->signals, &info, &wait) > 0 && info.si_signo != SIGCHLD)
			forward(child, &info);
	}
}
