// What Go calls of this package's C: one parse at a time, the tree copied out.
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The layout of Node in tree.go.
typedef struct {
	uint32_t start, end, row, end_row, parent, first, next;
	uint16_t kind, field, flags;
} rsolv_node;

enum { RSOLV_NAMED = 1, RSOLV_ERROR = 2, RSOLV_MISSING = 4 };

enum { RSOLV_OK, RSOLV_TOO_LONG, RSOLV_TOO_MUCH, RSOLV_NO_LANGUAGE };

// rsolv_init hands tree-sitter the memory of arena.c.
void rsolv_init(void);

// rsolv_parse parses source and says how many nodes its tree has. It gives up
// after nanoseconds of this thread's processor time, or when the parser holds
// more than memory bytes. The tree is there until rsolv_release.
int rsolv_parse(const void *language, const char *source, uint32_t length, int64_t nanoseconds, size_t memory, uint32_t *nodes);

// rsolv_flatten writes the nodes in the order of the source; named tells by kind
// which of them are. It returns how many it wrote, or 0 when there are more than
// max or the tree is deeper than max_depth.
uint32_t rsolv_flatten(rsolv_node *out, uint32_t max, uint32_t max_depth, const uint8_t *named, uint32_t *errors);

// rsolv_release gives the parser and the tree up.
void rsolv_release(void);

void *rsolv_malloc(size_t size);
void *rsolv_calloc(size_t count, size_t size);
void *rsolv_realloc(void *block, size_t size);
void rsolv_free(void *block);

// rsolv_arena_size is how much memory the arena has taken from the system.
size_t rsolv_arena_size(void);

// rsolv_arena_reset frees all blocks at once and keeps a little memory for the
// next file.
void rsolv_arena_reset(void);
