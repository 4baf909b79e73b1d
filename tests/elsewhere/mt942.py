"""MT942, read with the library mt-940."""

from reading import main
from swift import NOT_READ, read

main(read, NOT_READ)
