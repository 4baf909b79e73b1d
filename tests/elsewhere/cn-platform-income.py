"""The income table with Chinese headings, read with Python's csv and calendar."""

import calendar

from chinese_tables import columns, table
from reading import main

COLUMNS = {
    "platform": "收入来源的互联网平台名称",
    "seller_id": "店铺（用户）唯一标识码",
    "gross_income": "收入总额",
    "labour_income": "劳务报酬",
    "other_income": "从事其他网络交易活动取得的收入（净额）",
    "fees": "支付给平台的佣金、服务费合计",
    "transactions": "交易（订单）笔数",
}


def period(text):
    if "至" in text:
        return text.replace("至", "/")
    year, quarter = text.split("Q")
    last = int(quarter) * 3
    return f"{year}-{last - 2:02}-01/{year}-{last:02}-{calendar.monthrange(int(year), last)[1]:02}"


def read(body):
    header, rows = table(body)
    for row in rows:
        record = columns(row, header, COLUMNS)
        record["currency"] = "CNY"
        record["period"] = period(row["收入所属期间"])
        yield record


if __name__ == "__main__":
    main(read)
