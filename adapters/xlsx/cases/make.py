"""Makes the cases beside it, with openpyxl where a spreadsheet program writes them so and by hand where none would.

    python make.py

Expected values are what this script puts into the cells, and what ISO/IEC 29500 says of the rest; all of it is synthetic.
The same run gives the same bytes, so that a case changes only with its own lines here.
"""

import datetime
import io
import json
import pathlib
import shutil
import struct
import zipfile

import openpyxl
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.utils.datetime import CALENDAR_MAC_1904

HERE = pathlib.Path(__file__).parent
TIME = (1980, 1, 1, 0, 0, 0)
ROW = ["row/证件号码", "row/收入总额", "row/日期"]
HEADINGS = ["证件号码", "收入总额", "日期"]
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"


def case(name, body, expected=None, error=None, options="", slots=None, limits="", option_error=None):
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    slots = ", ".join(slot if slot.startswith("{") else json.dumps(slot, ensure_ascii=False) for slot in slots or ROW)
    plan = f'records = ["row"]\nslots = [{slots}]\n'
    plan += f"[options]\n{options}\n" if options else ""
    plan += f"[limits]\n{limits}\n" if limits else ""
    (folder / "plan.toml").write_text(plan, encoding="utf-8")
    if body is not None:
        (folder / "input.xlsx").write_bytes(body)
    for file, value in [("expected.json", expected), ("expected-error.json", error), ("expected-options.json", option_error)]:
        if value is not None:
            (folder / file).write_text(shown(value) + "\n", encoding="utf-8")


def shown(value):
    if isinstance(value, dict) and "records" in value and isinstance(value["records"], list):
        records = ",\n    ".join(json.dumps(record, ensure_ascii=False) for record in value["records"])
        end = f',\n  "end": {json.dumps(value["end"], ensure_ascii=False)}' if "end" in value else ""
        return f'{{\n  "records": [\n    {records}\n  ]{end}\n}}'
    return json.dumps(value, ensure_ascii=False)


def record(line, values, findings=(), part="Sheet", before=()):
    told = {"at": [line, 0], "part": part}
    cells = list(before) + [[f"row/{heading}", text, line, 0, column] for heading, text, column in values]
    if cells:
        told["values"] = cells
    if findings:
        told["findings"] = [list(finding) for finding in findings]
    return told


def refused(code, mentions, line=0, byte=0, column=0, records=0, part=None):
    told = {"code": code, "line": line, "byte": byte, "column": column, "records": records, "mentions": mentions}
    return told | ({"part": part} if part else {})


def saved(workbook):
    """The workbook without the moments at which it was made."""
    workbook.properties.created = workbook.properties.modified = datetime.datetime(2026, 1, 1)
    made = io.BytesIO()
    workbook.save(made)
    with zipfile.ZipFile(made) as archive:
        files = {info.filename: archive.read(info) for info in archive.infolist()}
    files["docProps/core.xml"] = b'<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties"/>'
    return zipped(files)


def zipped(files):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, text in files.items():
            info = zipfile.ZipInfo(name, TIME)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, text)
    return made.getvalue()


def table(rows, headings=HEADINGS):
    """A workbook of openpyxl with these rows below the headings."""
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    for row in [headings, *rows]:
        sheet.append(row)
    return workbook, sheet


def by_hand(rows, strings=None, after="", files=None, sheets='<sheet name="Sheet" sheetId="1" r:id="rId1"/>'):
    """A workbook whose sheet holds this XML within its `sheetData`."""
    relations = [("rId1", "worksheet", "worksheets/sheet1.xml")]
    parts = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}"><Relationship Id="rId1" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>{sheets}</sheets></workbook>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData>{after}</worksheet>',
    }
    if strings is not None:
        relations.append(("rId2", "sharedStrings", "sharedStrings.xml"))
        parts["xl/sharedStrings.xml"] = f'<sst xmlns="{MAIN}">{strings}</sst>'
    listed = "".join(f'<Relationship Id="{i}" Type="{OFFICE}/{kind}" Target="{target}"/>' for i, kind, target in relations)
    parts["xl/_rels/workbook.xml.rels"] = f'<Relationships xmlns="{PACKAGE}">{listed}</Relationships>'
    return zipped(parts | (files or {}))


def inline(reference, text):
    return f'<c r="{reference}" t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'


HEAD = '<row r="1">' + "".join(inline(f"{c}1", h) for c, h in zip("ABC", HEADINGS)) + "</row>"


def values():
    workbook, sheet = table([["007", "12800.50", "2025-09-30"], ["", None, None], [" 中𠮷 ", 3000, datetime.date(2025, 9, 30)]])
    case("text-and-empty-cells", saved(workbook), {"records": [
        record(2, [("证件号码", "007", 1), ("收入总额", "12800.50", 2), ("日期", "2025-09-30", 3)]),
        record(4, [("证件号码", " 中𠮷 ", 1), ("收入总额", "3000", 2), ("日期", "2025-09-30", 3)]),
    ]})

    numbers = [
        (0.1 + 0.2, "General", "0.3"), (12800.5, "#,##0.00", "12800.5"),
        (-1234.56, "[$¥-804]#,##0.00;[Red]-[$¥-804]#,##0.00", "-1234.56"), (999999999999999, "0", "999999999999999"),
        (0.000015, "0.00E+00", "0.000015"), (0, "General", "0"), (1.10, "General", "1.1"), (1 / 3, "0.00", "0.333333333333333"),
    ]
    workbook, sheet = table([["x", number] for number, _, _ in numbers])
    for line, (_, code, _) in enumerate(numbers, 2):
        sheet.cell(line, 2).number_format = code
    case("numbers", saved(workbook), {"records": [
        record(line, [("证件号码", "x", 1), ("收入总额", text, 2)]) for line, (_, _, text) in enumerate(numbers, 2)
    ]})

    doubtful = [
        (0.125, "0.0%", "0.125", "percent"), (0.5, "0%", "0.5", "percent"), (0.05, "0.00%", "0.05", "percent"),
        (1500, "[$$-409]#,##0.00", "1500", "currency"), (12.5, '#,##0.00\\ "USD"', "12.5", "currency"),
    ]
    workbook, sheet = table([["x", number] for number, *_ in doubtful])
    for line, (_, code, *_) in enumerate(doubtful, 2):
        sheet.cell(line, 2).number_format = code
    case("percentages-and-currencies", saved(workbook), {"records": [
        record(line, [("证件号码", "x", 1), ("收入总额", text, 2)], [(f"xlsx.{rule}", line, 0, 2, "row/收入总额")])
        for line, (_, _, text, rule) in enumerate(doubtful, 2)
    ]})

    workbook, sheet = table([[110101199003070000, 1], [1234567890123456, 1], ["110101199003070011", 1]])
    case("number-of-too-many-digits", saved(workbook), {"records": [
        record(2, [("收入总额", "1", 2)], [("xlsx.number-digits", 2, 0, 1, "row/证件号码")]),
        record(3, [("收入总额", "1", 2)], [("xlsx.number-digits", 3, 0, 1, "row/证件号码")]),
        record(4, [("证件号码", "110101199003070011", 1), ("收入总额", "1", 2)]),
    ]})

    dates = [
        (datetime.date(2025, 9, 30), "yyyy-mm-dd", "2025-09-30"), (datetime.date(2025, 9, 30), "mm-dd-yy", "2025-09-30"),
        (datetime.datetime(2025, 9, 30, 18, 5, 7), "yyyy/m/d h:mm:ss", "2025-09-30T18:05:07"),
        (datetime.datetime(2025, 9, 30), "m/d/yy h:mm", "2025-09-30T00:00:00"),
        (datetime.datetime(2025, 9, 30, 23, 59), 'yyyy"年"m"月"d"日"', "2025-09-30"), (datetime.time(8, 30), "h:mm", "08:30:00"),
        (datetime.date(9999, 12, 31), "yyyy-mm-dd", "9999-12-31"), (datetime.timedelta(hours=26, minutes=30), "[h]:mm:ss", "26:30:00"),
    ]
    for name, epoch in [("dates-from-1900", None), ("dates-from-1904", CALENDAR_MAC_1904)]:
        workbook = openpyxl.Workbook()
        workbook.epoch = epoch or workbook.epoch
        sheet = workbook.active
        sheet.append(HEADINGS)
        for line, (value, code, _) in enumerate(dates, 2):
            sheet.cell(line, 1, "x")
            sheet.cell(line, 3, value).number_format = code
        case(name, saved(workbook), {"records": [
            record(line, [("证件号码", "x", 1), ("日期", text, 3)]) for line, (_, _, text) in enumerate(dates, 2)
        ]})

    workbook, sheet = table([["x", 1, 60], ["y", 1, -5], ["z", 1, 2958466]])
    for line in (2, 3, 4):
        sheet.cell(line, 3).number_format = "yyyy-mm-dd"
    case("no-such-day", saved(workbook), {"records": [
        record(line, [("证件号码", name, 1), ("收入总额", "1", 2)], [("xlsx.date", line, 0, 3, "row/日期")]) for line, name in ((2, "x"), (3, "y"), (4, "z"))
    ]})

    workbook, sheet = table([[True, False, "#N/A"], ["x", "#DIV/0!", None]])
    case("booleans-and-error-values", saved(workbook), {"records": [
        record(2, [("证件号码", "true", 1), ("收入总额", "false", 2)], [("xlsx.error-value", 2, 0, 3, "row/日期")]),
        record(3, [("证件号码", "x", 1)], [("xlsx.error-value", 3, 0, 2, "row/收入总额")]),
    ]})

    workbook, sheet = table([["x", "=1+1", None]])
    case("formula-without-value", saved(workbook), {"records": [
        record(2, [("证件号码", "x", 1)], [("xlsx.formula", 2, 0, 2, "row/收入总额")]),
    ]})
    formulas = '<row r="2"><c r="A2" t="str"><f>"0"&amp;"07"</f><v>007</v></c><c r="B2"><f>0.1+0.2</f><v>0.30000000000000004</v></c><c r="C2" t="str"><f>""</f><v></v></c></row>'
    case("formulas-with-values", by_hand(HEAD + formulas), {"records": [record(2, [("证件号码", "007", 1), ("收入总额", "0.3", 2)])]})


def texts():
    workbook, sheet = table([])
    sheet["A2"] = CellRichText("张", TextBlock(InlineFont(b=True), "三 "), "丰")
    case("rich-text", saved(workbook), {"records": [record(2, [("证件号码", "张三 丰", 1)])]})

    strings = (
        "<si><t>证件号码</t></si><si><r><t>东京</t></r><r><rPr><b/></rPr><t xml:space=\"preserve\"> 都</t></r>"
        '<rPh sb="0" eb="2"><t>トウキョウ</t></rPh><phoneticPr fontId="1"/></si><si><t>a_x000D_b&amp;_x005F_x000D_&#x4E2D;</t></si><si/>'
    )
    rows = '<row r="1"><c r="A1" t="s"><v>0</v></c></row><row r="2"><c r="A2" t="s"><v>1</v></c></row><row r="3"><c r="A3" t="s"><v>2</v></c></row><row r="4"><c r="A4" t="s"><v>3</v></c></row>'
    case("shared-strings", by_hand(rows, strings), slots=["row/证件号码"], expected={"records": [
        record(2, [("证件号码", "东京 都", 1)]), record(3, [("证件号码", "a\rb&_x000D_中", 1)]),
    ]})

    strict = by_hand(HEAD + '<row><c t="inlineStr"><is><r><t>0</t></r><r><t>1</t></r></is></c><c><v>5</v></c></row>', files={
        "_rels/.rels": f'<x:Relationships xmlns:x="{PACKAGE}"><x:Relationship Id="a" Type="http://purl.oclc.org/ooxml/officeDocument/relationships/officeDocument" Target="/xl/workbook.xml"/></x:Relationships>',
    })
    case("inline-strings-and-cells-without-reference", strict, {"records": [record(2, [("证件号码", "01", 1), ("收入总额", "5", 2)])]})


def tables():
    labels = ["{ path = \"header/平台名称\" }", "{ path = \"header/报送日期\" }", *ROW, "{ path = \"trailer/收入总额\", after = true }"]
    options = 'header = "pairs"\ntrailer_label = "合计"\nsheet = "收入"'
    workbook = openpyxl.Workbook()
    workbook.active.title = "说明"
    sheet = workbook.create_sheet("收入")
    sheet["B1"] = "平台内经营者收入信息报送表（合成数据）"
    sheet.merge_cells("B1:E1")
    sheet["B2"], sheet["D2"] = "平台名称", "测试优选"
    sheet.merge_cells("B2:C2")
    sheet["B3"], sheet["D3"], sheet["E3"] = "报送日期", "平台名称", "另一"
    for column, heading in zip((2, 3, 5, 4), ["收入总额", "备注", "证件号码", "日期"]):
        sheet.cell(5, column, heading)
    sheet["B6"], sheet["C6"], sheet["E6"] = 5, "#N/A", "007"
    sheet["B8"], sheet["E8"] = 7, "008"
    sheet["B9"] = "合计"
    head = [["header/平台名称", "测试优选", 2, 0, 4]]
    case("header-pairs-and-trailer", saved(workbook), {"records": [
        record(6, [("收入总额", "5", 2), ("证件号码", "007", 5)], part="收入", before=head, findings=[("source.repeated", 3, 0, 5, "header/平台名称")]),
        record(8, [("收入总额", "7", 2), ("证件号码", "008", 5)], part="收入", before=head),
    ], "end": {"values": head}}, slots=labels, options=options)

    workbook = openpyxl.Workbook()
    for row in [["平台名称", 91350100000100043000], ["报送日期", "=TODAY()"], HEADINGS, ["1", 5]]:
        workbook.active.append(row)
    case("header-pairs-that-cannot-be-relied-on", saved(workbook), {"records": [
        record(4, [("证件号码", "1", 1), ("收入总额", "5", 2)], [
            ("xlsx.number-digits", 1, 0, 2, "header/平台名称"), ("xlsx.formula", 2, 0, 2, "header/报送日期"),
        ]),
    ]}, slots=labels, options='header = "pairs"\ntrailer_label = "合计"')

    workbook, sheet = table([["1", 5, None], ["合计", 5, None], [None, None, None], ["制表人", None, None]])
    case("after-trailer", saved(workbook), {"records": [record(2, [("证件号码", "1", 1), ("收入总额", "5", 2)])], "end": {
        "values": [["trailer/收入总额", "5", 3, 0, 2]], "findings": [["xlsx.after-trailer", 5, 0, 0]],
    }}, slots=[*ROW, "{ path = \"trailer/收入总额\", after = true }"], options='trailer_label = "合计"')

    workbook, sheet = table([["1", 5], ["2", None], [None, 7], ["4", 8]])
    sheet.merge_cells("A3:A4")
    case("merged-within-the-table", saved(workbook), {"records": [
        record(2, [("证件号码", "1", 1), ("收入总额", "5", 2)]), record(3, [("证件号码", "2", 1)], [("xlsx.merged", 3, 0, 0)]),
        record(4, [("收入总额", "7", 2)], [("xlsx.merged", 4, 0, 0)]), record(5, [("证件号码", "4", 1), ("收入总额", "8", 2)]),
    ]})

    workbook, sheet = table([["1", 5], ["2", 6]])
    sheet.row_dimensions[2].hidden = True
    case("hidden-row", saved(workbook), {"records": [
        record(2, [("证件号码", "1", 1), ("收入总额", "5", 2)], [("xlsx.hidden-row", 2, 0, 0)]), record(3, [("证件号码", "2", 1), ("收入总额", "6", 2)]),
    ]})

    workbook, sheet = table([["1", 5]])
    sheet["F2"] = "见附注"
    case("column-without-heading", saved(workbook), {"records": [
        record(2, [("证件号码", "1", 1), ("收入总额", "5", 2)], [("xlsx.no-heading", 2, 0, 6)]),
    ]})

    workbook, sheet = table([["1", 5]])
    sheet.title = "旧"
    sheet.sheet_state = "hidden"
    shown_sheet = workbook.create_sheet("新")
    for row in [["金额", "号码"], ["9", "x"]]:
        shown_sheet.append(row)
    two = saved(workbook)
    aliases = 'heading_aliases = { "收入总额" = ["金额"], "证件号码" = ["号码"] }'
    expected = {"records": [record(2, [("收入总额", "9", 1), ("证件号码", "x", 2)], part="新")]}
    case("first-sheet-that-is-shown", two, expected, slots=ROW[:2], options=aliases)
    case("sheet-by-number", two, expected, slots=ROW[:2], options=f"sheet = 2\n{aliases}")
    case("refused-hidden-sheet", two, error=refused("NotThisMessage", ["旧"]), options='sheet = "旧"')
    case("refused-sheet-missing", two, error=refused("NotThisMessage", ["收入", "旧", "新"]), options='sheet = "收入"')
    case("refused-sheet-number", two, error=refused("NotThisMessage", ["3", "旧", "新"]), options="sheet = 3")
    several = openpyxl.Workbook()
    for name, rows in [("一月", [HEADINGS, ["1", 5]]), ("空", []), ("二月", [[None], ["", "", "x"]]), ("底稿", [["x"]])]:
        sheet = several.create_sheet(name)
        for row in rows:
            sheet.append(row)
    del several["Sheet"]
    several["底稿"].sheet_state = "hidden"
    case("refused-several-filled-sheets", saved(several), error=refused("NotThisMessage", ["2", "一月, 二月", "`sheet`"]))
    del several["二月"]
    case("other-sheets-empty-or-hidden", saved(several), {"records": [record(2, [("证件号码", "1", 1), ("收入总额", "5", 2)], part="一月")]})
    case("heading-row-by-number", saved(table([["证件号码", "收入总额", "日期"], ["1", 2, None]])[0]), {"records": [
        record(3, [("证件号码", "1", 1), ("收入总额", "2", 2)]),
    ]}, options="heading_row = 2")
    case("refused-no-headings", two, error=refused("NotThisMessage", ["证件号码", "金额"], line=1, part="新"))
    case("refused-heading-twice", saved(table([], ["证件号码", "收入总额", "日期", "收入总额"])[0]), error=refused("NotThisMessage", ["收入总额"], 1, 0, 4, part="Sheet"))
    case("refused-empty-sheet", saved(openpyxl.Workbook()), error=refused("NotThisMessage", ["证件号码"], 1, part="Sheet"))
    case("options-unknown", None, option_error={"key": "", "mentions": ["charset", "heading_row"]}, options='charset = "gbk"')
    case("options-sheet", None, option_error={"key": "sheet", "mentions": ["31"]}, options='sheet = "a/b"')
    case("options-sheet-number", None, option_error={"key": "sheet", "mentions": ["from 1"]}, options="sheet = 0")
    case("options-other-path", None, option_error={"key": "body/x", "mentions": ["row/HEADING"]}, slots=["row/a", "body/x"])


def other_kinds():
    good = saved(table([["1", 5]])[0])
    compound = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)
    for name, body, code, mentions in [
        ("empty", b"", "Truncated", []),
        ("csv-renamed", "证件号码,收入总额\n1,2\n".encode(), "NotThisMessage", [".xlsx"]),
        ("old-binary", compound + "Workbook".encode("utf-16-le"), "NotThisMessage", [".xls"]),
        ("encrypted", compound + "EncryptedPackage".encode("utf-16-le"), "NotThisMessage", []),
        ("binary", b"\x00\xff\xfe\x80" * 20, "NotThisMessage", [".xlsx"]),
        ("truncated", good[: len(good) // 2], "Truncated", []),
        ("plain-zip", zipped({"income.csv": "a,b"}), "NotThisMessage", [".xlsx"]),
        ("macros", by_hand(HEAD, files={"xl/vbaProject.bin": b"\x00"}), "NotThisMessage", [".xlsm"]),
        ("ods", zipped({"mimetype": "application/vnd.oasis.opendocument.spreadsheet", "content.xml": "<x/>"}), "NotThisMessage", [".ods"]),
        ("xlsb", zipped({"xl/workbook.bin": b"\x00"}), "NotThisMessage", [".xlsb"]),
    ]:
        case(f"refused-{name}", body, error=refused(code, mentions))


def hostile():
    sheet = "xl/worksheets/sheet1.xml"
    blank = f'<worksheet xmlns="{MAIN}"><sheetData>{HEAD}' + " " * (20 << 20) + "</sheetData></worksheet>"
    case("refused-bomb", by_hand("", files={sheet: blank}), error=refused("ExpansionExceeded", ["200"]))
    lies = by_hand(HEAD + f'<row r="2">{inline("A2", "x" * 5000)}</row>')
    case("refused-size-that-lies", shrunk(lies, sheet, 700), error=refused("Truncated", []))
    case("refused-checksum", with_checksum(lies, sheet, 0x12345678), error=refused("Truncated", []))
    case("refused-part-twice", by_hand(HEAD, files={"XL/Workbook.xml": "<workbook/>"}), error=refused("Syntax", ["XL/Workbook.xml"]))
    case("refused-doctype", by_hand("", files={sheet: f'<!DOCTYPE worksheet [<!ENTITY x SYSTEM "file:///etc/passwd">]>\n<worksheet xmlns="{MAIN}"/>'}), error=refused("DoctypeRefused", [], 1, part=sheet))
    entity = f'<worksheet xmlns="{MAIN}"><sheetData>{HEAD}<row r="2"><c r="A2" t="inlineStr"><is><t>&x;</t></is></c></row></sheetData></worksheet>'
    case("refused-entity", by_hand("", files={sheet: entity}), error=refused("EntityRefused", ["&x;"], 1, entity.encode().index(b"&x;"), part=sheet))
    broken = f'<worksheet xmlns="{MAIN}"><sheetData><row r="1">'
    case("refused-part-broken-off", by_hand("", files={sheet: broken}), error=refused("Truncated", [], 1, len(broken), part=sheet))
    external = f'<Relationships xmlns="{PACKAGE}"><Relationship Id="rId1" Type="{OFFICE}/worksheet" Target="http://localhost/sheet1.xml" TargetMode="External"/></Relationships>'
    at = by_hand("", files={"xl/_rels/workbook.xml.rels": external})
    opened = f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets><sheet name="Sheet" sheetId="1" r:id="rId1"/>'
    case("refused-external-sheet", at, error=refused("Syntax", [], 1, len(opened), part="xl/workbook.xml"))

    def in_sheet(name, rows, code, mentions):
        whole = f'<worksheet xmlns="{MAIN}"><sheetData>{HEAD}{rows}'
        case(name, by_hand(HEAD + rows + "</row>"), error=refused(code, mentions, 1, len(whole.encode()), part=sheet))

    in_sheet("refused-row-out-of-range", '<row r="4000000000">', "Syntax", ["4000000000"])
    in_sheet("refused-row-out-of-order", '<row r="1">', "Syntax", ["1"])
    case("refused-shared-string-missing", by_hand(HEAD + '<row r="2"><c r="A2" t="s"><v>99999999999999999999</v></c></row>', "<si><t>a</t></si>"), error=refused("Syntax", ["99999999999999999999"], 1, len(f'<worksheet xmlns="{MAIN}"><sheetData>{HEAD}<row r="2"><c r="A2" t="s"><v>99999999999999999999</v></c>'.encode()), part=sheet))
    case("last-cell-of-all", by_hand(HEAD + f'<row r="1048576">{inline("XFD1048576", "x")}</row>', after=""), {"records": [
        record(1048576, [], [("xlsx.no-heading", 1048576, 0, 16384)]),
    ]})
    case("refused-cell-out-of-range", by_hand(HEAD + f'<row r="2">{inline("XFE2", "x")}</row>'), error=refused("Syntax", ["XFE2"], 1, len(f'<worksheet xmlns="{MAIN}"><sheetData>{HEAD}<row r="2"><c r="XFE2" t="inlineStr">'.encode()), part=sheet))
    case("refused-cell-out-of-order", by_hand(HEAD + f'<row r="2">{inline("B2", "x")}{inline("A2", "x")}</row>'), error=refused("Syntax", ["A2"], 1, len(f'<worksheet xmlns="{MAIN}"><sheetData>{HEAD}<row r="2">{inline("B2", "x")}<c r="A2" t="inlineStr">'.encode()), part=sheet))
    large = HEAD + f'<row r="2">{inline("A2", "x" * 999)}</row><row r="3"><c r="A3" t="inlineStr"><is><t><![CDATA[{"y" * 999}]]>{"y" * 99}'
    large_at = len(f'<worksheet xmlns="{MAIN}"><sheetData>{large}'.encode())
    case("refused-large-cell", by_hand(large + "</t></is></c></row>"), limits="token_bytes_max = 1024", error=refused(
        "TokenExceeded", ["1024"], 1, large_at, records=1, part=sheet))
    case("many-blank-rows", by_hand(HEAD + "<row/>" * 5000 + '<row><c/><c r="B5002" s="1"/></row>' + f'<row r="1000000">{inline("A1000000", "x")}</row>'), {"records": [record(1000000, [("证件号码", "x", 1)])]})
    case("refused-merged-range", by_hand(HEAD, after='<mergeCells><mergeCell ref="A9:A1"/></mergeCells>'), error=refused("Syntax", ["A9:A1"], 1, len(f'<worksheet xmlns="{MAIN}"><sheetData>{HEAD}</sheetData><mergeCells><mergeCell ref="A9:A1"/>'.encode()), part=sheet))


def directory_entry(body, name):
    """Where a file's entry in the zip's directory begins."""
    at = body.index(b"PK\x01\x02")
    while True:
        length = struct.unpack_from("<H", body, at + 28)[0]
        if body[at + 46 : at + 46 + length] == name.encode():
            return at
        at = body.index(b"PK\x01\x02", at + 4)


def shrunk(body, name, size):
    body = bytearray(body)
    struct.pack_into("<I", body, directory_entry(body, name) + 24, size)
    return bytes(body)


def with_checksum(body, name, checksum):
    body = bytearray(body)
    struct.pack_into("<I", body, directory_entry(body, name) + 16, checksum)
    return bytes(body)


values()
texts()
tables()
other_kinds()
hostile()
