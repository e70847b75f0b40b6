-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION lead_handoff" to load this file. \quit

-- sql/extension/00-schema.sql: the schema, and setup(), which fills it with tables.
--
-- The extension is code. Tables and views belong to the user: setup() makes them from the files of
-- sql/schema/, so that pg_dump carries them whole and DROP EXTENSION is refused while they are there.

create schema handoff;
comment on schema handoff is 'lead_handoff: the marketing-to-sales handoff as a versioned contract. Tables and views are made by handoff.setup().';
revoke all on schema handoff from public;
