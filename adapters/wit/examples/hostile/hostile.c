/* A hostile adapter: the body names a misdeed, and the adapter commits it. Any other word is a record with that word.
 * What follows the word `verbatim` is given back as it stands, as though it were the result itself.
 *
 * Paths: `record` and `record/word`. What the gateway says to each is in `tests/outside/misdeeds.toml`.
 */
#include "../portolan_adapter.h"

static char word[16]; static uint32_t length;
static uint64_t given;
static uint32_t word_slot;

static int is(const char *name) {
  uint32_t i = 0;
  for (; name[i]; i++) if (i >= length || word[i] != name[i]) return 0;
  return i == length;
}

EXPORT("bind") bound_t *bind(node_t *nodes, uint32_t nn, slot_t *slots, uint32_t sn, items_of_t *lists, uint32_t ln, setting_t *settings, uint32_t n) {
  static bound_t result = { .is.media_type = TEXT("text/plain") };
  (void)nodes; (void)nn; (void)lists; (void)ln; (void)settings; (void)n;
  for (uint32_t i = 0; i < sn; i++) if (slots[i].in_record) word_slot = i;
  return &result;
}
EXPORT("start-reading") started_t *start_reading(uint32_t a, uint32_t b, uint32_t c) {
  static started_t result;
  (void)a; (void)b; (void)c;
  return &result;
}

static volatile uint32_t deep;
static __attribute__((noinline)) uint32_t descend(uint32_t n) {
  deep = n;
  return n == UINT32_MAX ? 0 : descend(n + 1) + deep;
}

static void crash(void) {
  if (is("loop")) for (volatile uint32_t i = 0;; i++) {}
  if (is("memory")) for (;;) *(volatile char *)take(1 << 20, 8) = 1;
  if (is("trap")) __builtin_trap();
  if (is("stack")) descend(0);
  if (is("address")) *(volatile char *)0xfffffff0u = 1;
  if (is("fill")) {
    char *large = take(32 << 20, 8);
    for (;;) { __builtin_memset(large, (int)deep, 32 << 20); deep++; }
  }
}

static read_t result;
static value_t values[4];
static record_t *one(void) {
  record_t *record = take(sizeof(record_t), 8);
  *record = (record_t){ .at = { 1, 0, 0 }, .values = values, .value_count = 1 };
  values[0] = (value_t){ word_slot, { 0, 0 }, { 1, 0, 0 }, { word, length } };
  return record;
}

/* As many records as memory holds, or texts that all stand in one place. */
static void flood(void) {
  if (is("endless")) {
    record_t *records = take(10000 * sizeof(record_t), 8);
    record_t *model = one();
    for (uint32_t i = 0; i < 10000; i++) records[i] = *model;
    result.is.batch.records = records; result.is.batch.record_count = 10000;
  }
  if (is("alias")) {
    value_t *many = take(1000 * sizeof(value_t), 8);
    char *large = take(1 << 20, 8);
    for (uint32_t i = 0; i < (1 << 20); i++) large[i] = 'a';
    for (uint32_t i = 0; i < 1000; i++) many[i] = (value_t){ word_slot, { 0, 0 }, { 1, 0, 0 }, { large, 1 << 20 } };
    result.is.batch.records[0].values = many; result.is.batch.records[0].value_count = 1000;
  }
}

static void lie(record_t *record) {
  static finding_t finding = { TEXT("Not An Id"), { 1, 0, 0 }, { 0, 0 }, { TEXT("x"), TEXT("x") } };
  static item_t item = { 99, { 0, 0 } };
  if (is("slot")) values[0].slot = 4000000000u;
  if (is("item")) values[0].item = (option_u32_t){ 1, 7 };
  if (is("list")) { record->items = &item; record->item_count = 1; }
  if (is("twice")) { values[1] = values[0]; record->value_count = 2; }
  if (is("place")) record->at.byte = given + 1;
  if (is("line")) values[0].at.line = 1000;
  if (is("rule")) { record->findings = &finding; record->finding_count = 1; }
  if (is("text")) values[0].text = TEXT("\xff\xfe");
  if (is("pointer")) record->values = (value_t *)0xfffffff0u;
  if (is("no-end")) result.is.batch.end.some = 0;
  if (is("outside")) { result.is.batch.end.value.values = values; result.is.batch.end.value.value_count = 1; }
}

/* Where what is given back verbatim lies, so that it can point into itself. */
#define VERBATIM ((char *)(1u << 20))
#define VERBATIM_BYTES_MAX (1u << 20)
static int is_verbatim;
static int take_verbatim(const char *from, uint32_t n) {
  static const char begins[] = "verbatim";
  for (uint32_t i = 0; begins[i]; i++) if (i >= n || from[i] != begins[i]) return 0;
  n -= sizeof begins - 1; from += sizeof begins - 1;
  if (!is_verbatim) __builtin_wasm_memory_grow(0, (VERBATIM_BYTES_MAX + (1u << 20)) >> 16);
  is_verbatim = 1;
  for (uint32_t i = 0; i < n && i < VERBATIM_BYTES_MAX; i++) VERBATIM[i] = from[i];
  return 1;
}

EXPORT("read") read_t *read_piece(const char *piece, uint32_t n, uint32_t last) {
  if (take_verbatim(piece, n)) return (read_t *)VERBATIM;
  for (uint32_t i = 0; i < n; i++) if (piece[i] > ' ' && length < sizeof word) word[length++] = piece[i];
  given += n;
  result = (read_t){ 0 };
  if (!last) return &result;
  crash();
  result.is.batch.records = one(); result.is.batch.record_count = 1;
  result.is.batch.end.some = 1;
  flood();
  lie(result.is.batch.records);
  return &result;
}

static written_t written;
#define RECORD_PARAMETERS uint64_t line_, uint64_t byte_, uint32_t column_, uint32_t part_, const char *part_at, uint32_t part_length, \
  value_t *vs, uint32_t vn, item_t *is_, uint32_t in, finding_t *fs, uint32_t fn
#define UNUSED (void)line_; (void)byte_; (void)column_; (void)part_; (void)part_at; (void)part_length; (void)is_; (void)in; (void)fs; (void)fn
EXPORT("start-writing") written_t *start_writing(RECORD_PARAMETERS) { UNUSED; (void)vs; (void)vn; return &written; }
EXPORT("write") written_t *write_record(RECORD_PARAMETERS) {
  UNUSED;
  if (vn && take_verbatim(vs[0].text.at, vs[0].text.length)) return (written_t *)VERBATIM;
  length = 0;
  if (vn) for (uint32_t i = 0; i < vs[0].text.length && length < sizeof word; i++) word[length++] = vs[0].text.at[i];
  crash();
  if (is("alias")) written.is.bytes = (text_t){ 0, 60 << 20 };
  else if (is("endless")) written.is.bytes = (text_t){ take(1 << 20, 1), 1 << 20 };
  else written.is.bytes = (text_t){ word, length };
  return &written;
}
EXPORT("finish") written_t *finish(void) {
  if (is_verbatim) return (written_t *)VERBATIM;
  written.is.bytes = (text_t){ 0, 0 };
  return &written;
}
