"""Exact tests of counts, in pure Python: the host plans with them, the jobs test with them.

Counts are integers and stay so as long as anything is compared; a probability becomes a float once,
at the end, by divisions, additions and halvings alone. So every machine gets the same bits.
"""

from models.exact.boschloo import Design, boschloo
from models.exact.fisher import fisher
from models.exact.multiplicity import benjamini_yekutieli, holm
from models.exact.power import Effect, find_rate, find_rate_of
from models.exact.stratified import stratified
from models.exact.tables import Counts, Sides

__all__ = [
    "Counts",
    "Design",
    "Effect",
    "Sides",
    "benjamini_yekutieli",
    "boschloo",
    "find_rate",
    "find_rate_of",
    "fisher",
    "holm",
    "stratified",
]
