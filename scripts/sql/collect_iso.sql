-- Records of the iso-codes package. Old: the first of a list; new: the rest of it, and a list that joined later.
CREATE FUNCTION proof.iso(list text) RETURNS TABLE (place bigint, record text) LANGUAGE sql AS $$
    SELECT place, record::text
    FROM jsonb_array_elements(pg_read_file('/usr/share/iso-codes/json/iso_' || list || '.json')::jsonb -> list)
         WITH ORDINALITY AS records(record, place)
    ORDER BY place
$$;

INSERT INTO proof.collected (target, payload, old)
    SELECT 'countries', record, place <= 25 FROM proof.iso('3166-1') ORDER BY place;
INSERT INTO proof.collected (target, payload, old)
    SELECT 'countries', record, false FROM proof.iso('3166-3') ORDER BY place;
INSERT INTO proof.collected (target, payload, old)
    SELECT 'languages', record, place <= 100 FROM proof.iso('639-3') ORDER BY place;
