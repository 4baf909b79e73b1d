"""camt.054.001.08, checked against its XSD and read with lxml."""

from camt import reader
from reading import main

main(reader("camt.054.001.08"))
