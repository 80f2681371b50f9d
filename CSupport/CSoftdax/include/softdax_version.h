/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOFTDAX_VERSION_H
#define SOFTDAX_VERSION_H
#define SD_VERSION "0.1.0"
#endif
