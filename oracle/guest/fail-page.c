/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fail-page DEVICE BYTES: the real kernel's memory_failure() of the device's page at this offset, by madvise(MADV_HWPOISON) on a native mapping.
 * For guests only: the page is lost until the machine starts again.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { SIZE = 2 << 20, HWPOISON = 100 };

int main(int count, char **words)
{
	off_t offset = count == 3 ? (off_t)strtoull(words[2], NULL, 0) : -1, start = offset & ~(off_t)(SIZE - 1);
	int file = count == 3 ? open(words[1], O_RDWR) : -1;
	char *place = file < 0 ? MAP_FAILED : mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, start);

	if (place == MAP_FAILED || offset % 4096) {
		perror("fail-page DEVICE BYTES");
		return 2;
	}
	if (madvise(place + (offset - start), 4096, HWPOISON) != 0) {
		perror("madvise(MADV_HWPOISON)");
		return 1;
	}
	return 0;
}
