"""test/drivers/lines.py: what the Python programs beside it share: how a line is written.

  view    name, comment
  column  view, position, name, type, null or not null, comment
  value   view, column, class of its values
  row     view, values

Words are separated by tabs; backslash, tab and line feed are escaped, \\N is null. Values are written as they are: numbers
without trailing zeros, instants in UTC.
"""

import datetime
import decimal
import sys

ROWS = 'select * from handoff.%s v order by v::text collate "C" limit 20'


def line(*words):
    print("\t".join("\\N" if word is None else str(word).replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n") for word in words))


def text(value, utc=False):
    """utc: a time without a zone is one in UTC"""
    if isinstance(value, datetime.datetime) and (value.tzinfo is not None or utc):
        value = value.astimezone(datetime.timezone.utc) if value.tzinfo is not None else value
        return value.strftime("%Y-%m-%d %H:%M:%S.%f")
    if isinstance(value, decimal.Decimal):
        return "0" if value == 0 else format(value.normalize(), "f")
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


def arguments():
    """host, port, database, role, password; and the views"""
    return sys.argv[1:6], sys.argv[6:]
