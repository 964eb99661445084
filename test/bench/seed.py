#!/usr/bin/env python3
"""What pg_mend replaces: a pipeline in Python that asks a model how to alter the table, and does so itself.

Usage: seed.py keep|connect EVENTS FIRST [TOGETHER]
Each event is TOGETHER (1) records, each with a field that the table bench.seed does not have, the first one called field_FIRST.
keep: one connection for all; connect: one for each record. The model answers at once. Prints the seconds that it took.
"""
import sys
import time

import psycopg2
import psycopg2.errors
import psycopg2.extras


def model(record, columns):
    """An instant model that is always right."""
    known = {name for name, _ in columns}
    return "ALTER TABLE bench.seed " + ", ".join(f"ADD COLUMN {name} bigint" for name in record if name not in known)


def ingest(connection, record, retried=False):
    """Insert; on an unknown column look at the table, ask, alter, and insert once more."""
    names = ", ".join(record)
    places = ", ".join(["%s"] * len(record))
    cursor = connection.cursor()
    try:
        cursor.execute(f"INSERT INTO bench.seed ({names}) VALUES ({places})", list(record.values()))
        connection.commit()
    except psycopg2.errors.UndefinedColumn:
        connection.rollback()
        if retried:
            raise
        cursor.execute("SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'seed'")
        ddl = model(record, cursor.fetchall())
        if "DROP" in ddl.upper():
            raise
        cursor.execute(ddl)
        connection.commit()
        ingest(connection, record, True)


def main():
    keep, events, first = sys.argv[1] == "keep", int(sys.argv[2]), int(sys.argv[3])
    together = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    kept = psycopg2.connect("")
    start = time.monotonic()
    for i in range(events * together):
        connection = kept if keep else psycopg2.connect("")
        ingest(connection, {"id": i, "qty": 2, f"field_{first + i}": 3})
        if not keep:
            connection.close()
    print(time.monotonic() - start)


main()
