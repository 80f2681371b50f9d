/* SPDX-License-Identifier: Apache-2.0 */
#include <daxctl/libdaxctl.h>
#include <ndctl/libndctl.h>
