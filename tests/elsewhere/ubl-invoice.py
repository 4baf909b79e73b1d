"""Invoices in UBL 2.1."""

from reading import main
from ubl import read

main(read)
