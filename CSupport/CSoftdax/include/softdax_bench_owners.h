/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `softdax bench owners` compares with: memory itself, and a b-tree of a C++ library.
 *
 * Why C: a dependent load must be a load, and the b-tree comes from a shared object that is there only for this (CSupport/Bench).
 * Both walk by the same numbers as the bench: xorshift of 64 bits (13, 7, 17; seed 88172645463325252), with the answer before mixed
 * in if each step is to wait for it.
 */
#ifndef SOFTDAX_BENCH_OWNERS_H
#define SOFTDAX_BENCH_OWNERS_H

#include <stdint.h>

/* Loads from `words` 64-bit words, each from a place that depends on the one before.  A sum of what was read. */
uint64_t sd_bench_loads(const uint64_t *memory, uint64_t words, uint64_t count);

struct sd_btree;
/* Loads the shared object; NULL if it cannot be, *error says why (until the next dlopen call of this thread). */
struct sd_btree *sd_btree_open(const char *path, const char **error);
void sd_btree_close(struct sd_btree *tree);
/* Blocks; in ascending order. */
void sd_btree_append(struct sd_btree *tree, uint64_t start, uint64_t count, uint64_t inode, uint64_t page);
/* Looks up `count` blocks below `blocks`.  The sum of inode ^ page of all answers; 0 if one had no owner. */
uint64_t sd_btree_chase(const struct sd_btree *tree, uint64_t blocks, uint64_t count, int is_dependent);

#endif
