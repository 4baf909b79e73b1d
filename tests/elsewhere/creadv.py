"""CREADV of UN/EDIFACT D.21A, read with pydifact."""

from advice import run

run(account="BF", other="OR", party="debtor", name="OY", reversals={"454": False, "457": True})
