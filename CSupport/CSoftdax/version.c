/* SPDX-License-Identifier: Apache-2.0 */
#include "softdax_version.h"
