"""What the tables with Chinese headings share, read with Python's csv, or with openpyxl where they are workbooks."""

import csv
import datetime
import io
from decimal import Decimal

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


# What a workbook holds as numbers and as days; everything else is text.
NUMBERS = {
    "收入总额", "劳务报酬", "从事其他网络交易活动取得的收入（净额）", "支付给平台的佣金、服务费合计", "交易（订单）笔数",
}
DAYS = {"报送日期", "经营开始时间"}


def shown(cell):
    """The text of a cell as it is displayed."""
    if isinstance(cell.value, datetime.datetime):
        assert cell.number_format == "yyyy-mm-dd" and cell.value.time() == datetime.time()
        return cell.value.date().isoformat()
    if isinstance(cell.value, (int, float)):
        return f"{Decimal(repr(cell.value)):.{len(cell.number_format.partition('.')[2])}f}"
    return unescape(cell.value or "")


def check_type(heading, cell):
    """A number of at most 15 digits is one, and a day that all spreadsheets count alike."""
    text = shown(cell)
    number = heading in NUMBERS and len(text.replace(".", "").replace("-", "")) <= 15
    day = heading in DAYS and text >= "1900-03-01"
    expected = (int, float) if number else datetime.datetime if day else str
    assert cell.value is None or isinstance(cell.value, expected), (heading, cell.value)


def sheet(body):
    """The rows of the workbook's only sheet, each cell in its type."""
    [cells] = openpyxl.load_workbook(io.BytesIO(body))
    cells = list(cells)
    table = [[shown(cell) for cell in row] for row in cells]
    headings = next(i for i, row in enumerate(table) if all(row[:3]))
    for row in cells[:headings]:
        check_type(row[0].value, row[1])
    for row in cells[headings + 1 :]:
        for heading, cell in zip(table[headings], row, strict=True):
            check_type(heading, cell)
    return [row[:2] if i < headings else row for i, row in enumerate(table)]


def columns(row, header, names):
    """The cells of a row and the labelled values, by canonical path; an empty one is none."""
    cells = {path: row[heading] or None for path, heading in names.items()}
    return cells | {path: header.get(heading) or None for path, heading in HEADER.items()}
