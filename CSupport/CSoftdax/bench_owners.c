/* SPDX-License-Identifier: Apache-2.0 */
#include "softdax_bench_owners.h"

#include <dlfcn.h>
#include <stdlib.h>

struct sd_btree {
	void *library;
	void *tree;
	void (*delete)(void *);
	void (*append)(void *, uint64_t, uint64_t, uint64_t, uint64_t);
	uint64_t (*chase)(const void *, uint64_t, uint64_t, int);
};

uint64_t sd_bench_loads(const uint64_t *memory, uint64_t words, uint64_t count)
{
	uint64_t state = 88172645463325252u, sum = 0, last = 0;

	while (count-- > 0) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		last = memory[(uint64_t)((unsigned __int128)(state ^ last) * words >> 64)];
		sum += last;
	}
	return sum;
}

struct sd_btree *sd_btree_open(const char *path, const char **error)
{
	struct sd_btree *tree = calloc(1, sizeof *tree);
	void *(*make)(void);

	*error = "no memory";
	if (!tree)
		return NULL;
	tree->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!tree->library) {
		*error = dlerror();
		free(tree);
		return NULL;
	}
	make = (void *(*)(void))dlsym(tree->library, "softdax_btree_new");
	tree->delete = (void (*)(void *))dlsym(tree->library, "softdax_btree_delete");
	tree->append = (void (*)(void *, uint64_t, uint64_t, uint64_t, uint64_t))dlsym(tree->library, "softdax_btree_append");
	tree->chase = (uint64_t (*)(const void *, uint64_t, uint64_t, int))dlsym(tree->library, "softdax_btree_chase");
	if (make && tree->delete && tree->append && tree->chase)
		tree->tree = make();
	if (!tree->tree) {
		*error = "it is not the b-tree of the bench";
		dlclose(tree->library);
		free(tree);
		return NULL;
	}
	return tree;
}

void sd_btree_close(struct sd_btree *tree)
{
	tree->delete(tree->tree);
	dlclose(tree->library);
	free(tree);
}

void sd_btree_append(struct sd_btree *tree, uint64_t start, uint64_t count, uint64_t inode, uint64_t page)
{
	tree->append(tree->tree, start, count, inode, page);
}

uint64_t sd_btree_chase(const struct sd_btree *tree, uint64_t blocks, uint64_t count, int is_dependent)
{
	return tree->chase(tree->tree, blocks, count, is_dependent);
}
