/* SPDX-License-Identifier: Apache-2.0 */
/* map-hold DEVICE OFFSET BYTES: touches one byte of each page, says "ready", holds on until a line or the end of input. */
#include "program.h"

int main(int count, char **words)
{
	CHECK(count == 4, "usage: map-hold DEVICE OFFSET BYTES");

	size_t length = strtoull(words[3], NULL, 0);
	volatile unsigned char *place = map(open_device(words[1], O_RDWR), length, (off_t)strtoull(words[2], NULL, 0));

	for (size_t at = 0; at < length; at += PAGE)
		place[at] = 1;
	puts("ready");
	fflush(stdout);
	/* Nobody may be left to end us. */
	alarm(600);
	for (char byte = 0; byte != '\n' && read(0, &byte, 1) == 1;)
		if (byte != '\n')
			usleep(10000);
	return 0;
}
