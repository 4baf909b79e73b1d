"""What the tables with Chinese headings share, read with Python's csv, or with openpyxl where they are workbooks."""

import csv
import io

import openpyxl
from openpyxl.utils.escape import unescape

HEADER = {
    "operator.name": "互联网平台企业名称",
    "operator.taxpayer_number": "统一社会信用代码（纳税人识别号）",
    "platform_name": "平台名称",
    "reported_on": "报送日期",
}


def table(body):
    """The labelled values before the heading row, and each row by its headings."""
    rows = sheet(body) if body.startswith(b"PK") else list(csv.reader(io.StringIO(body.decode("gb18030"), newline=""), strict=True))
    headings = next(i for i, row in enumerate(rows) if len(row) > 2)
    assert all(len(row) == 2 for row in rows[:headings])
    return dict(rows[:headings]), [dict(zip(rows[headings], row, strict=True)) for row in rows[headings + 1 :]]


def sheet(body):
    """The rows of the workbook's only sheet, which holds nothing but text."""
    [rows] = openpyxl.load_workbook(io.BytesIO(body))
    assert all(cell.data_type in "sn" and not isinstance(cell.value, (int, float)) for row in rows for cell in row)
    table = [[unescape(cell.value or "") for cell in row] for row in rows]
    headings = next(i for i, row in enumerate(table) if all(row[:3]))
    return [row[:2] if i < headings else row for i, row in enumerate(table)]


def columns(row, header, names):
    """The cells of a row and the labelled values, by canonical path; an empty one is none."""
    cells = {path: row[heading] or None for path, heading in names.items()}
    return cells | {path: header.get(heading) or None for path, heading in HEADER.items()}
