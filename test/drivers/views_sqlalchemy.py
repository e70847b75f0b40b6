"""test/drivers/views_sqlalchemy.py: what a BI tool sees through SQLAlchemy and psycopg2 of the views of schema handoff:
Superset's inspector asks for columns and comments like this."""

import sqlalchemy

from lines import ROWS, arguments, line, text

(host, port, database, role, password), views = arguments()
engine = sqlalchemy.create_engine(sqlalchemy.engine.URL.create("postgresql+psycopg2", role, password, host, int(port), database))
inspector = sqlalchemy.inspect(engine)
for view in inspector.get_view_names("handoff"):
    line("view", view, inspector.get_table_comment(view, "handoff")["text"])
with engine.connect() as connection:
    for view in views:
        for position, column in enumerate(inspector.get_columns(view, "handoff"), 1):
            kind = column["type"]
            # newer ones say COLLATE, too
            line("column", view, position, column["name"], str(kind).split(" COLLATE")[0] + (" with time zone" if getattr(kind, "timezone", False) else ""),
                 "null" if column["nullable"] else "not null", column["comment"])
        rows = connection.execute(sqlalchemy.text(ROWS % view)).fetchall()
        for row in rows:
            line("row", view, *map(text, row))
        for i, name in enumerate(inspector.get_columns(view, "handoff")):
            classes = {type(row[i]).__name__ for row in rows if row[i] is not None}
            line("value", view, name["name"], " ".join(sorted(classes)))
