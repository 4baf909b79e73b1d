/* The types of adapter.wit as they lie in a component's memory (the component model's canonical ABI). */
#pragma once
#include <stdint.h>
#include <stddef.h>

#define EXPORT(name) __attribute__((export_name("portolan:adapter/format@1.0.0#" name)))
/* Called by the gateway once it has taken a result. */
#define AFTER(name) __attribute__((export_name("cabi_post_portolan:adapter/format@1.0.0#" name)))

typedef struct { const char *at; uint32_t length; } text_t;
typedef struct { uint8_t some; uint32_t value; } option_u32_t;
typedef struct { uint8_t some; text_t value; } option_text_t;
typedef struct { uint64_t line, byte; uint32_t column; } position_t;
typedef struct { text_t zh, en; } words_t;

enum { REPEAT_ONCE, REPEAT_FIRST, REPEAT_MANY };
typedef struct { text_t path; uint32_t node; option_u32_t list; uint8_t in_record, after, repeat; } slot_t;
typedef struct { text_t path; uint32_t node; option_u32_t parent; } items_of_t;
typedef struct {
  text_t name;
  option_u32_t parent, slot, ordinal, serial, list, anchor;
  option_text_t constant;
  uint8_t per_record;
} node_t;

enum { SETTING_TEXT, SETTING_NUMBER, SETTING_TRUTH, SETTING_JSON };
typedef struct { text_t key; uint8_t kind; union { text_t text; int64_t number; uint8_t truth; } value; } setting_t;

typedef struct { uint32_t slot; option_u32_t item; position_t at; text_t text; } value_t;
typedef struct { uint32_t list; option_u32_t parent; } item_t;
typedef struct { text_t rule; position_t at; option_u32_t slot; words_t words; } finding_t;
typedef struct {
  position_t at;
  option_text_t part;
  value_t *values; uint32_t value_count;
  item_t *items; uint32_t item_count;
  finding_t *findings; uint32_t finding_count;
} record_t;

enum {
  SYNTAX, TRUNCATED, CHARSET_UNKNOWN, BYTES_UNMAPPABLE, CHARACTER_UNMAPPABLE, CHARACTER_FORBIDDEN, DUPLICATE_KEY,
  DEPTH_EXCEEDED, TOKEN_EXCEEDED, RECORD_EXCEEDED, NOT_THIS_MESSAGE, VALUE_LATE, VALUE_UNWRITABLE
};
typedef struct { uint8_t code; position_t at; option_text_t path; words_t words; } error_t;

typedef struct { uint8_t failed; union { text_t media_type; struct { text_t key, message; } error; } is; } bound_t;
typedef struct { uint8_t failed; union { error_t error; } is; } started_t;
typedef struct { record_t *records; uint32_t record_count; struct { uint8_t some; record_t value; } end; } batch_t;
typedef struct { uint8_t failed; union { batch_t batch; error_t error; } is; } read_t;
typedef struct { uint8_t failed; union { text_t bytes; error_t error; } is; } written_t;

#define TEXT(literal) ((text_t){ literal, sizeof(literal) - 1 })

/* Memory is taken from one end and given back all at once, down to what `keep` has marked. */
extern unsigned char __heap_base;
static uintptr_t arena_next, arena_kept;

static void *take(size_t bytes, size_t align) {
  if (!arena_next) arena_next = arena_kept = (uintptr_t)&__heap_base;
  uintptr_t at = (arena_next + align - 1) & ~(uintptr_t)(align - 1);
  arena_next = at + bytes;
  uintptr_t held = (uintptr_t)__builtin_wasm_memory_size(0) << 16;
  if (arena_next > held && __builtin_wasm_memory_grow(0, (arena_next - held + 65535) >> 16) == (size_t)-1) __builtin_trap();
  return (void *)at;
}
static inline void keep(void) { arena_kept = arena_next; }
static inline void give_back(void) { arena_next = arena_kept; }

__attribute__((export_name("cabi_realloc"))) void *cabi_realloc(void *old, size_t old_bytes, size_t align, size_t bytes) {
  char *fresh = take(bytes, align);
  for (size_t i = 0; i < old_bytes && i < bytes; i++) fresh[i] = ((char *)old)[i];
  return fresh;
}
