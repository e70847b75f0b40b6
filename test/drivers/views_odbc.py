"""test/drivers/views_odbc.py: what a BI tool sees through psqlODBC of the views of schema handoff: SQLTables and SQLColumns, as
Tableau and Excel call them, and the first rows.

BoolsAsChar=0: booleans as such. ODBC has no instants, so times come in the session's zone: here UTC.
"""

import pyodbc

from lines import ROWS, arguments, line, text

(host, port, database, role, password), views = arguments()
connection = pyodbc.connect(
    "DRIVER={PostgreSQL Unicode};SERVER=%s;PORT=%s;DATABASE=%s;UID=%s;PWD=%s;BoolsAsChar=0;ConnSettings=set timezone='UTC'"
    % (host, port, database, role, password))
cursor = connection.cursor()
for table in cursor.tables(schema="handoff", tableType="VIEW").fetchall():
    line("view", table.table_name, table.remarks)
for view in views:
    columns = cursor.columns(schema="handoff", table=view).fetchall()
    for column in columns:
        line("column", view, column.ordinal_position, column.column_name, "%s %d" % (column.type_name, column.data_type),
             "null" if column.nullable else "not null", column.remarks)
    for i, described in enumerate(cursor.execute(ROWS % view).description):
        line("value", view, columns[i].column_name, described[1].__name__)
    for row in cursor.fetchall():
        line("row", view, *(text(value, utc=True) for value in row))
