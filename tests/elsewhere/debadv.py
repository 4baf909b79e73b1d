"""DEBADV of UN/EDIFACT D.21A, read with pydifact."""

from advice import run

run(account="OR", other="BF", party="creditor", name="BE", reversals={"456": False, "458": True})
