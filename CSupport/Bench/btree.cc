// SPDX-License-Identifier: Apache-2.0
// The other side of `softdax bench owners`: extents in an absl::btree_map, as a C++ programmer would keep them. scripts/bench builds
// it, the bench loads it (CSupport/CSoftdax/bench_owners.c) so that both sides alternate in one process.
#include <cstdint>

#include "absl/container/btree_map.h"

namespace {

struct Extent {
	uint64_t count;
	uint64_t inode;
	uint64_t page;
};

using Tree = absl::btree_map<uint64_t, Extent>; // by first block

} // namespace

extern "C" {

void *softdax_btree_new() { return new Tree; }
void softdax_btree_delete(void *tree) { delete static_cast<Tree *>(tree); }

// Extents come in ascending order.
void softdax_btree_append(void *tree, uint64_t start, uint64_t count, uint64_t inode, uint64_t page)
{
	auto &map = *static_cast<Tree *>(tree);
	map.emplace_hint(map.end(), start, Extent{count, inode, page});
}

// 1 and the owner of a block, or 0.
int softdax_btree_find(const void *tree, uint64_t block, uint64_t *inode, uint64_t *page)
{
	const auto &map = *static_cast<const Tree *>(tree);
	auto next = map.upper_bound(block);
	if (next == map.begin())
		return 0;
	--next;
	if (block - next->first >= next->second.count)
		return 0;
	*inode = next->second.inode;
	*page = next->second.page + (block - next->first);
	return 1;
}

// As sd_bench_loads(), with a lookup in the place of the load.
uint64_t softdax_btree_chase(const void *tree, uint64_t blocks, uint64_t count, int is_dependent)
{
	uint64_t state = 88172645463325252u, sum = 0, inode = 0, page = 0;

	while (count-- > 0) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		uint64_t mixed = is_dependent ? state ^ inode : state;
		uint64_t block = (unsigned __int128)mixed * blocks >> 64;
		if (!softdax_btree_find(tree, block, &inode, &page))
			return 0;
		sum += inode ^ page;
	}
	return sum;
}
}
