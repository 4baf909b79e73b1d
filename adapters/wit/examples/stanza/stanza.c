/* An example adapter: stanzas of `name=value` lines.
 *
 *   sender=第一分局        values outside the records
 *   ==                     the records begin
 *   number=1
 *   amount=12.50
 *   --                     a record ends
 *
 * Paths are `NAME` outside the records and `record/NAME` within. One option, `separator`: one ASCII character, `=`
 * unless given. Bodies are UTF-8, lines end with LF or CRLF; written is LF. A line has 64 KiB at most, a record 1,000
 * values and 256 KiB. A name twice in a record is the finding `stanza.repeated`.
 */
#include "../portolan_adapter.h"

#define LINE_BYTES_MAX 65536
#define RECORD_VALUES_MAX 1000
#define RECORD_BYTES_MAX (256 * 1024)
#define FINDINGS_MAX 100

static node_t *nodes; static uint32_t node_count;
static uint32_t record_node; /* 0: the plan has none */
static char separator = '=';

/* The line that is being gathered, and where it began. */
static char line[LINE_BYTES_MAX]; static uint32_t line_length;
static position_t line_at = { 1, 0, 0 };
/* Values outside the records, then those of the record that is being read. */
static value_t values[RECORD_VALUES_MAX]; static uint32_t value_count, outside_count;
static char bytes[RECORD_BYTES_MAX]; static uint32_t byte_count, outside_bytes;
static finding_t findings[FINDINGS_MAX]; static uint32_t finding_count;
static int in_records, in_record; static position_t record_at;

static void copy(void *to, const void *from, size_t n) {
  for (size_t i = 0; i < n; i++) ((char *)to)[i] = ((const char *)from)[i];
}
static int same(text_t a, text_t b) {
  if (a.length != b.length) return 0;
  for (uint32_t i = 0; i < a.length; i++) if (a.at[i] != b.at[i]) return 0;
  return 1;
}
static error_t error(uint8_t code, position_t at, text_t zh, text_t en) {
  return (error_t){ .code = code, .at = at, .words = { zh, en } };
}

EXPORT("bind") bound_t *bind(node_t *ns, uint32_t nn, slot_t *slots, uint32_t sn, items_of_t *lists, uint32_t ln, setting_t *settings, uint32_t n) {
  static bound_t result;
  nodes = ns; node_count = nn; (void)lists;
  result = (bound_t){ .failed = 1 };
  for (uint32_t i = 0; i < n; i++) {
    text_t given = settings[i].value.text;
    if (!same(settings[i].key, TEXT("separator"))) {
      result.is.error.key = settings[i].key;
      result.is.error.message = TEXT("there is one option, separator");
      return &result;
    }
    if (settings[i].kind != SETTING_TEXT || given.length != 1 || given.at[0] < '!' || given.at[0] > '~') {
      result.is.error.key = settings[i].key;
      result.is.error.message = TEXT("one ASCII character");
      return &result;
    }
    separator = given.at[0];
  }
  for (uint32_t i = 0; i < nn; i++) if (ns[i].anchor.some) record_node = i;
  for (uint32_t i = 1; i < nn; i++) {
    int is_deep = ns[i].parent.value != 0 && ns[i].parent.value != record_node;
    if (is_deep || ns[i].ordinal.some || ns[i].serial.some || (i == record_node && !same(ns[i].name, TEXT("record")))) {
      result.is.error.key = ns[i].name;
      result.is.error.message = TEXT("paths are NAME and record/NAME");
      return &result;
    }
  }
  for (uint32_t i = 0; i < sn; i++) if (slots[i].repeat == REPEAT_MANY || slots[i].after) {
    result.is.error.key = slots[i].path;
    result.is.error.message = TEXT("a name stands once, and never after the records");
    return &result;
  }
  if (ln > 0 || record_node == 0) {
    result.is.error.message = TEXT("the record is `record`, and has no lists");
    return &result;
  }
  result = (bound_t){ .is.media_type = TEXT("text/plain; charset=utf-8") };
  return &result;
}
AFTER("bind") void after_bind(void *r) { (void)r; keep(); }

typedef struct { uint32_t token_bytes_max, record_values_max, record_bytes_max; } limits_t;

EXPORT("start-reading") started_t *start_reading(uint32_t token, uint32_t per_record, uint32_t of_record) {
  static started_t result;
  (void)token; (void)per_record; (void)of_record; /* the gateway holds records against its own limits */
  return &result;
}

/* How many bytes of a UTF-8 sequence begin here; 0 where none does. */
static uint32_t sequence(const unsigned char *s, uint32_t n) {
  if (s[0] < 0x80) return 1;
  uint32_t want = s[0] >= 0xC2 && s[0] <= 0xDF ? 2 : (s[0] & 0xF0) == 0xE0 ? 3 : s[0] >= 0xF0 && s[0] <= 0xF4 ? 4 : 0;
  if (want == 0 || want > n) return 0;
  for (uint32_t i = 1; i < want; i++) if ((s[i] & 0xC0) != 0x80) return 0;
  if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F)) return 0;
  if ((s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F)) return 0;
  return want;
}

static uint32_t child(uint32_t parent, text_t name) {
  for (uint32_t i = 1; i < node_count; i++)
    if (nodes[i].parent.value == parent && nodes[i].slot.some && same(nodes[i].name, name)) return i;
  return 0;
}

/* Fills the slot of `name`, where the mapping asks for it. */
static const error_t *fill(text_t name, text_t text, position_t at) {
  static error_t full;
  uint32_t node = child(in_records ? record_node : 0, name);
  if (!node) return NULL;
  uint32_t slot = nodes[node].slot.value;
  for (uint32_t i = in_records ? outside_count : 0; i < value_count; i++) {
    if (values[i].slot != slot) continue;
    if (!in_records) {
      full = error(DUPLICATE_KEY, at, TEXT("记录之外的名称重复"), TEXT("a name stands twice outside the records"));
      return &full;
    }
    if (finding_count < FINDINGS_MAX)
      findings[finding_count++] = (finding_t){ TEXT("stanza.repeated"), at, { 1, slot },
        { TEXT("同一记录中名称重复"), TEXT("the name stands twice in one record") } };
    return NULL;
  }
  if (value_count == RECORD_VALUES_MAX || byte_count + text.length > RECORD_BYTES_MAX) {
    full = error(RECORD_EXCEEDED, at, TEXT("单条记录超过 256 KiB 或 1,000 个值"), TEXT("a record of more than 256 KiB or 1,000 values"));
    return &full;
  }
  copy(bytes + byte_count, text.at, text.length);
  values[value_count++] = (value_t){ slot, { 0, 0 }, at, { bytes + byte_count, text.length } };
  byte_count += text.length;
  return NULL;
}

/* Copies what was gathered into the arena, where it stays until the gateway has taken it. */
static record_t gathered(void) {
  record_t record = { .at = in_records ? record_at : (position_t){ 1, 0, 0 }, .value_count = value_count, .finding_count = finding_count };
  char *text = take(byte_count, 1);
  copy(text, bytes, byte_count);
  record.values = take(value_count * sizeof(value_t), 8);
  copy(record.values, values, value_count * sizeof(value_t));
  for (uint32_t i = 0; i < value_count; i++) record.values[i].text.at = text + (values[i].text.at - bytes);
  record.findings = take(finding_count * sizeof(finding_t), 8);
  copy(record.findings, findings, finding_count * sizeof(finding_t));
  return record;
}

/* Records of this call: an array that grows by doubling in the arena. */
static record_t *found; static uint32_t found_count, found_room;
static void end_record(void) {
  if (found_count == found_room) {
    record_t *wider = take((found_room = found_room ? 2 * found_room : 16) * sizeof(record_t), 8);
    copy(wider, found, found_count * sizeof(record_t));
    found = wider;
  }
  found[found_count++] = gathered();
  value_count = outside_count; byte_count = outside_bytes; finding_count = 0; in_record = 0;
}

static const error_t *end_line(void) {
  static error_t wrong;
  uint32_t length = line_length;
  if (length && line[length - 1] == '\r') length--;
  for (uint32_t i = 0; i < length;) {
    uint32_t step = sequence((unsigned char *)line + i, length - i);
    position_t at = line_at; at.byte += i;
    if (!step) { wrong = error(BYTES_UNMAPPABLE, at, TEXT("此处不是 UTF-8 文本"), TEXT("these bytes are no UTF-8 text")); return &wrong; }
    if ((unsigned char)line[i] < 0x20 && line[i] != '\t') {
      wrong = error(CHARACTER_FORBIDDEN, at, TEXT("不允许的控制字符"), TEXT("a control character")); return &wrong;
    }
    i += step;
  }
  text_t whole = { line, length };
  if (length == 0) return NULL;
  if (same(whole, TEXT("=="))) {
    if (in_records) { wrong = error(SYNTAX, line_at, TEXT("== 出现两次"), TEXT("== stands twice")); return &wrong; }
    in_records = 1; outside_count = value_count; outside_bytes = byte_count;
    return NULL;
  }
  if (same(whole, TEXT("--"))) {
    if (!in_record) { wrong = error(SYNTAX, line_at, TEXT("-- 之前没有记录"), TEXT("-- ends no record")); return &wrong; }
    end_record();
    return NULL;
  }
  for (uint32_t i = 0; i < length; i++) if (line[i] == separator && i > 0) {
    position_t at = line_at; at.byte += i + 1;
    if (in_records && !in_record) { in_record = 1; record_at = line_at; }
    return fill((text_t){ line, i }, (text_t){ line + i + 1, length - i - 1 }, at);
  }
  wrong = error(SYNTAX, line_at, TEXT("应为“名称=值”、== 或 --"), TEXT("expected name=value, == or --"));
  return &wrong;
}

static read_t *failed(read_t *result, const error_t *why) {
  result->failed = 1; result->is.error = *why;
  return result;
}

EXPORT("read") read_t *read_piece(const char *piece, uint32_t length, uint32_t last) {
  static read_t result;
  result = (read_t){ 0 };
  found = NULL; found_count = found_room = 0;
  for (uint32_t i = 0; i < length; i++) {
    if (piece[i] != '\n') {
      if (line_length == LINE_BYTES_MAX) {
        error_t why = error(TOKEN_EXCEEDED, line_at, TEXT("一行超过 64 KiB"), TEXT("a line of more than 64 KiB"));
        return failed(&result, &why);
      }
      line[line_length++] = piece[i];
      continue;
    }
    const error_t *why = end_line();
    if (why) return failed(&result, why);
    line_at.line++; line_at.byte += line_length + 1; line_length = 0;
  }
  if (last) {
    const error_t *why = line_length ? end_line() : NULL;
    if (why) return failed(&result, why);
    if (in_record || !in_records) {
      error_t ends = error(TRUNCATED, line_at, TEXT("报文在此中断，缺少 -- 或 =="), TEXT("the body breaks off here: -- or == is missing"));
      return failed(&result, &ends);
    }
    record_at = (position_t){ 1, 0, 0 };
    result.is.batch.end.some = 1;
    result.is.batch.end.value = gathered();
  }
  result.is.batch.records = found;
  result.is.batch.record_count = found_count;
  return &result;
}
AFTER("read") void after_read(void *r) { (void)r; give_back(); }

/* Writes the values and constants below `parent`, in the order of the plan. */
static written_t *write_values(uint32_t parent, const record_t *record, text_t end) {
  static written_t result;
  result = (written_t){ 0 };
  size_t room = end.length + 1;
  for (uint32_t i = 0; i < record->value_count; i++) room += record->values[i].text.length;
  for (uint32_t i = 1; i < node_count; i++) room += nodes[i].name.length + nodes[i].constant.value.length + 2;
  char *out = take(room, 1), *at = out;
  for (uint32_t n = 1; n < node_count; n++) {
    if (nodes[n].parent.value != parent) continue;
    const text_t *text = nodes[n].constant.some ? &nodes[n].constant.value : NULL;
    for (uint32_t i = 0; i < record->value_count && !text; i++)
      if (nodes[n].slot.some && record->values[i].slot == nodes[n].slot.value) text = &record->values[i].text;
    if (!text) continue;
    for (uint32_t i = 0; i < text->length; i++) if ((unsigned char)text->at[i] < 0x20 && text->at[i] != '\t') {
      result.failed = 1;
      result.is.error = error(VALUE_UNWRITABLE, (position_t){ 0 }, TEXT("值中有换行或控制字符，无法写入"), TEXT("a value with a line break or control character"));
      result.is.error.path = (option_text_t){ 1, nodes[n].name };
      return &result;
    }
    copy(at, nodes[n].name.at, nodes[n].name.length); at += nodes[n].name.length;
    *at++ = separator;
    copy(at, text->at, text->length); at += text->length;
    *at++ = '\n';
  }
  copy(at, end.at, end.length); at += end.length;
  *at++ = '\n';
  result.is.bytes = (text_t){ out, (uint32_t)(at - out) };
  return &result;
}

#define RECORD_PARAMETERS uint64_t line_, uint64_t byte_, uint32_t column_, uint32_t part_, const char *part_at, uint32_t part_length, \
  value_t *vs, uint32_t vn, item_t *is, uint32_t in, finding_t *fs, uint32_t fn
#define GIVEN ((record_t){ .values = vs, .value_count = vn })

EXPORT("start-writing") written_t *start_writing(RECORD_PARAMETERS) {
  (void)line_; (void)byte_; (void)column_; (void)part_; (void)part_at; (void)part_length; (void)is; (void)in; (void)fs; (void)fn;
  record_t given = GIVEN;
  return write_values(0, &given, TEXT("=="));
}
EXPORT("write") written_t *write_record(RECORD_PARAMETERS) {
  (void)line_; (void)byte_; (void)column_; (void)part_; (void)part_at; (void)part_length; (void)is; (void)in; (void)fs; (void)fn;
  record_t given = GIVEN;
  return write_values(record_node, &given, TEXT("--"));
}
EXPORT("finish") written_t *finish(void) {
  static written_t result;
  return &result;
}
AFTER("start-writing") void after_start_writing(void *r) { (void)r; give_back(); }
AFTER("write") void after_write(void *r) { (void)r; give_back(); }
