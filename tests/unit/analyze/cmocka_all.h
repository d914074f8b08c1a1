/* SPDX-License-Identifier: Apache-2.0 */
/* cmocka wants these before itself. */
#ifndef MESHTALLY_TEST_CMOCKA_ALL_H
#define MESHTALLY_TEST_CMOCKA_ALL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
