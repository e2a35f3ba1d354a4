//go:build cgo

#include "treesitter.h"

#include <time.h>

// What is used of tree-sitter's public C API, which go-tree-sitter links in.
typedef struct { uint32_t row, column; } TSPoint;
typedef struct { uint32_t context[4]; const void *id; const void *tree; } TSNode;
typedef struct { const void *tree; const void *id; uint32_t context[3]; } TSTreeCursor;
typedef struct {
	void *payload;
	const char *(*read)(void *payload, uint32_t at, TSPoint point, uint32_t *length);
	int encoding; // 0 for UTF-8
	void *decode;
} TSInput;
typedef struct { void *payload; uint32_t at; bool has_error; } TSParseState;
typedef struct { void *payload; bool (*progress)(TSParseState *state); } TSParseOptions;

extern void ts_set_allocator(void *(*malloc)(size_t), void *(*calloc)(size_t, size_t), void *(*realloc)(void *, size_t), void (*free)(void *));
extern void *ts_parser_new(void);
extern bool ts_parser_set_language(void *parser, const void *language);
extern void *ts_parser_parse_with_options(void *parser, const void *old_tree, TSInput input, TSParseOptions options);
extern void ts_parser_delete(void *parser);
extern TSNode ts_tree_root_node(const void *tree);
extern TSTreeCursor ts_tree_cursor_new(TSNode node);
extern TSNode ts_tree_cursor_current_node(const TSTreeCursor *cursor);
extern uint16_t ts_tree_cursor_current_field_id(const TSTreeCursor *cursor);
extern bool ts_tree_cursor_goto_first_child(TSTreeCursor *cursor);
extern bool ts_tree_cursor_goto_next_sibling(TSTreeCursor *cursor);
extern bool ts_tree_cursor_goto_parent(TSTreeCursor *cursor);
extern uint16_t ts_node_symbol(TSNode node);
extern uint32_t ts_node_start_byte(TSNode node);
extern uint32_t ts_node_end_byte(TSNode node);
extern TSPoint ts_node_start_point(TSNode node);
extern TSPoint ts_node_end_point(TSNode node);
extern bool ts_node_is_missing(TSNode node);
extern uint32_t ts_node_descendant_count(TSNode node);

// One file at a time is parsed; Go holds a lock.
static struct {
	void *parser, *tree;
	const char *source;
	uint32_t length, steps;
	int64_t deadline;
	size_t memory;
	int status;
} job;

void rsolv_init(void) { ts_set_allocator(rsolv_malloc, rsolv_calloc, rsolv_realloc, rsolv_free); }

static int64_t now(void) {
	struct timespec t;
	if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) != 0) return 0;
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static const char *read_source(void *payload, uint32_t at, TSPoint point, uint32_t *length) {
	(void)payload, (void)point;
	*length = at < job.length ? job.length - at : 0;
	return job.source + (at < job.length ? at : job.length);
}

// progress says whether to give up. The library asks every hundred steps or so.
static bool progress(TSParseState *state) {
	(void)state;
	if (rsolv_arena_size() > job.memory) {
		job.status = RSOLV_TOO_MUCH;
		return true;
	}
	if (++job.steps % 8 == 0 && now() > job.deadline) {
		job.status = RSOLV_TOO_LONG;
		return true;
	}
	return false;
}

int rsolv_parse(const void *language, const char *source, uint32_t length, int64_t nanoseconds, size_t memory, uint32_t *nodes) {
	job.source = source;
	job.length = length;
	job.steps = 0;
	job.deadline = now() + nanoseconds;
	job.memory = memory;
	job.status = RSOLV_OK;
	job.parser = ts_parser_new();
	if (!ts_parser_set_language(job.parser, language)) return RSOLV_NO_LANGUAGE;
	job.tree = ts_parser_parse_with_options(job.parser, NULL, (TSInput){.read = read_source}, (TSParseOptions){.progress = progress});
	job.source = NULL; // it is Go's
	if (job.tree == NULL) return job.status == RSOLV_OK ? RSOLV_TOO_LONG : job.status;
	*nodes = ts_node_descendant_count(ts_tree_root_node(job.tree));
	return RSOLV_OK;
}

void rsolv_release(void) {
	ts_parser_delete(job.parser); // a grammar's scanner has memory of its own
	job.parser = job.tree = NULL;
	rsolv_arena_reset();
}

uint32_t rsolv_flatten(rsolv_node *out, uint32_t max, uint32_t max_depth, const uint8_t *named, uint32_t *errors) {
	TSTreeCursor cursor = ts_tree_cursor_new(ts_tree_root_node(job.tree));
	uint32_t *last = rsolv_calloc(max_depth + 2, sizeof(uint32_t)); // the newest node of each depth
	uint32_t count = 0, depth = 0;
	*errors = 0;
	for (;;) {
		if (count >= max || depth > max_depth) return 0;
		TSNode node = ts_tree_cursor_current_node(&cursor);
		rsolv_node *n = &out[count];
		n->start = ts_node_start_byte(node);
		n->end = ts_node_end_byte(node);
		n->row = ts_node_start_point(node).row;
		n->end_row = ts_node_end_point(node).row;
		n->parent = depth > 0 ? last[depth - 1] : 0;
		n->first = n->next = 0;
		n->kind = (uint16_t)(ts_node_symbol(node) + 1); // an error's symbol is the largest, which makes it 0
		n->field = ts_tree_cursor_current_field_id(&cursor);
		n->flags = named[n->kind] ? RSOLV_NAMED : 0;
		if (n->kind == 0) n->flags |= RSOLV_ERROR;
		else if (n->start == n->end && ts_node_is_missing(node)) n->flags |= RSOLV_MISSING;
		if (n->flags & (RSOLV_ERROR | RSOLV_MISSING)) (*errors)++;
		if (depth > 0) {
			if (out[n->parent].first == 0) out[n->parent].first = count;
			else out[last[depth]].next = count;
		}
		last[depth] = count++;
		if (ts_tree_cursor_goto_first_child(&cursor)) {
			depth++;
			continue;
		}
		while (!ts_tree_cursor_goto_next_sibling(&cursor)) {
			if (!ts_tree_cursor_goto_parent(&cursor)) return count;
			depth--;
		}
	}
}
