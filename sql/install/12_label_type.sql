-- Arguments of mend.enroll and mend.configure that take a word of a closed list.
-- Texts, to which the enums are cast without a word: a text that is none of them is then refused by us, with what there is.
CREATE TYPE mend.label;
CREATE FUNCTION mend.label_in(cstring) RETURNS mend.label LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'textin';
CREATE FUNCTION mend.label_out(mend.label) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'textout';
CREATE FUNCTION mend.label_receive(internal) RETURNS mend.label LANGUAGE internal STABLE STRICT PARALLEL SAFE AS 'textrecv';
CREATE FUNCTION mend.label_send(mend.label) RETURNS bytea LANGUAGE internal STABLE STRICT PARALLEL SAFE AS 'textsend';
CREATE TYPE mend.label (INPUT = mend.label_in, OUTPUT = mend.label_out, RECEIVE = mend.label_receive, SEND = mend.label_send, LIKE = text, CATEGORY = 'S');
COMMENT ON TYPE mend.label IS 'A word of a closed list, as an argument: a text, or a value of mend.mode, mend.action or mend.share';
COMMENT ON FUNCTION mend.label_in(cstring) IS 'Internal: of mend.label';
COMMENT ON FUNCTION mend.label_out(mend.label) IS 'Internal: of mend.label';
COMMENT ON FUNCTION mend.label_receive(internal) IS 'Internal: of mend.label';
COMMENT ON FUNCTION mend.label_send(mend.label) IS 'Internal: of mend.label';
REVOKE ALL ON FUNCTION mend.label_in(cstring), mend.label_out(mend.label), mend.label_receive(internal), mend.label_send(mend.label) FROM PUBLIC;
CREATE CAST (text AS mend.label) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (varchar AS mend.label) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (mend.mode AS mend.label) WITH INOUT AS IMPLICIT;
CREATE CAST (mend.action AS mend.label) WITH INOUT AS IMPLICIT;
CREATE CAST (mend.share AS mend.label) WITH INOUT AS IMPLICIT;
COMMENT ON CAST (text AS mend.label) IS 'As it is';
COMMENT ON CAST (varchar AS mend.label) IS 'As it is';
COMMENT ON CAST (mend.mode AS mend.label) IS 'The label';
COMMENT ON CAST (mend.action AS mend.label) IS 'The label';
COMMENT ON CAST (mend.share AS mend.label) IS 'The label';
