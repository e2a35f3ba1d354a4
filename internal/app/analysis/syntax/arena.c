//go:build cgo

// The memory of one parse. A parser allocates hundreds of thousands of small
// blocks that all end together, so they come off large chunks and are given up
// with them: no tree is walked to be freed, and how much a parse holds is known
// without asking the system.

#include "treesitter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	CHUNK = 1 << 20,
	KEEP = 16 << 20, // what is kept for the next file
	STEP = 16,
	SMALL = 1024, // up to here blocks are multiples of STEP, above powers of two
	SMALL_CLASSES = SMALL / STEP + 1,
	CLASSES = SMALL_CLASSES + 32,
};

typedef struct chunk {
	struct chunk *next;
	size_t size;
} chunk;

// header stands before each block; next is there while the block is free.
typedef struct header {
	uint64_t class;
	struct header *next[];
} header;

static struct {
	chunk *chunks, *kept;
	char *at, *end;
	size_t taken;
	header *free[CLASSES];
} arena;

static unsigned class_of(size_t size) {
	if (size <= SMALL) return size == 0 ? 1 : (unsigned)((size + STEP - 1) / STEP);
	unsigned class = SMALL_CLASSES;
	for (size_t room = 2 * SMALL; room < size; room *= 2) class++;
	return class;
}

static size_t room_of(unsigned class) {
	return class < SMALL_CLASSES ? (size_t)class * STEP : (size_t)(2 * SMALL) << (class - SMALL_CLASSES);
}

static char *new_chunk(size_t size) {
	chunk *c = arena.kept;
	if (c != NULL && size <= c->size) {
		arena.kept = c->next;
	} else {
		c = malloc(sizeof(chunk) + size);
		if (c == NULL) {
			fprintf(stderr, "parsing: no memory for %zu bytes\n", size);
			abort();
		}
		c->size = size;
	}
	c->next = arena.chunks;
	arena.chunks = c;
	arena.taken += c->size;
	return (char *)(c + 1);
}

void *rsolv_malloc(size_t size) {
	if (size > (size_t)1 << 31) {
		fprintf(stderr, "parsing: a block of %zu bytes\n", size);
		abort();
	}
	unsigned class = class_of(size);
	header *h = arena.free[class];
	if (h != NULL) {
		arena.free[class] = h->next[0];
		return h + 1;
	}
	size_t need = sizeof(header) + room_of(class);
	if (need > CHUNK / 4) { // one chunk for it alone
		h = (header *)new_chunk(need);
	} else {
		if ((size_t)(arena.end - arena.at) < need) {
			arena.at = new_chunk(CHUNK);
			arena.end = arena.at + CHUNK;
		}
		h = (header *)arena.at;
		arena.at += need;
	}
	h->class = class;
	return h + 1;
}

void *rsolv_calloc(size_t count, size_t size) {
	void *block = rsolv_malloc(count * size); // the library multiplies small numbers
	return memset(block, 0, count * size);
}

void *rsolv_realloc(void *block, size_t size) {
	if (block == NULL) return rsolv_malloc(size);
	size_t room = room_of((unsigned)((header *)block - 1)->class);
	if (size <= room) return block;
	void *larger = rsolv_malloc(size);
	memcpy(larger, block, room);
	rsolv_free(block);
	return larger;
}

void rsolv_free(void *block) {
	if (block == NULL) return;
	header *h = (header *)block - 1;
	h->next[0] = arena.free[h->class];
	arena.free[h->class] = h;
}

size_t rsolv_arena_size(void) { return arena.taken; }

void rsolv_arena_reset(void) {
	size_t kept = 0;
	for (chunk *c = arena.kept; c != NULL; c = c->next) kept += c->size;
	for (chunk *c = arena.chunks, *next; c != NULL; c = next) {
		next = c->next;
		if (c->size == CHUNK && kept + CHUNK <= KEEP) {
			c->next = arena.kept;
			arena.kept = c;
			kept += CHUNK;
		} else {
			free(c);
		}
	}
	chunk *kept_chunks = arena.kept;
	memset(&arena, 0, sizeof arena);
	arena.kept = kept_chunks;
}
