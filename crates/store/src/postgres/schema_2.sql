-- What is kept, each row under the chain that it belongs to: `subject` is its keyed name. Rows are
-- sealed for their keys, those of `record` for their version and head as well (store/src/rows.rs).

-- One record for each subject: an account, a card, a customer, a UPI number, a VPA, a capture.
CREATE TABLE record (
    subject bytea NOT NULL,
    version bigint NOT NULL,
    head bytea NOT NULL,
    row bytea NOT NULL,
    PRIMARY KEY (subject)
) WITH (fillfactor = 80);

-- The audit chain of each subject. The tag names the writer's batch, so that a batch whose outcome
-- got lost can be sent again.
CREATE TABLE event (
    subject bytea NOT NULL,
    seq bigint NOT NULL,
    tag bigint NOT NULL,
    row bytea NOT NULL,
    PRIMARY KEY (subject, seq)
);

-- What may be used once: request ids, with their receipts, and blocks, with nothing. In one place a
-- name is used once by all subjects together; where tables are spread by subject, the subject is
-- part of the key, and it is used once by each (docs/scaling.md).
CREATE TABLE used (
    subject bytea NOT NULL,
    name bytea NOT NULL,
    row bytea NOT NULL,
    PRIMARY KEY (name)
);

-- What is found by a key and in its order: messages, other names of credentials, errands.
CREATE TABLE item (
    subject bytea NOT NULL,
    key bytea NOT NULL,
    row bytea NOT NULL,
    PRIMARY KEY (key, subject)
);

-- Writes so many subjects' commits in one transaction, each of them whole or not at all, and says
-- which. The subjects come in order and each once; everything else names its subject by its place.
--
-- All writers touch new records, then records that are there, then names, each in order, so that
-- two of them wait for each other but never in a circle. Who waited for a record finds its head
-- changed and does not fit; who waited for a name is refused as a whole, and comes again. `again`
-- asks for batches that may have been written before: what the tag proves to be there counts as
-- written.
CREATE FUNCTION commit_batch(
    tag bigint, again boolean,
    subjects bytea[], befores bytea[], versions bigint[], heads bytea[], records bytea[],
    event_of int[], event_seqs bigint[], event_rows bytea[],
    name_of int[], names bytea[], name_rows bytea[],
    item_of int[], item_keys bytea[], item_rows bytea[],
    fallen_of int[], fallen_keys bytea[]
) RETURNS boolean[] LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    nothing CONSTANT bytea := decode(repeat('00', 32), 'hex');
    taken int[];
    put int[] := '{}';
    more int[];
    fits boolean[];
    written boolean[];
BEGIN
    -- The names are looked up one by one, whatever the statistics say of the table: OFFSET keeps the
    -- planner from turning this into a join that begins with all that was ever used.
    taken := ARRAY(
        SELECT n.place FROM unnest(name_of, names) AS n (place, name)
        WHERE EXISTS (SELECT 1 FROM used u WHERE u.name = n.name OFFSET 0));

    IF nothing = ANY (befores) THEN
        WITH added AS (
            INSERT INTO record (subject, version, head, row)
            SELECT g.subject, g.version, g.head, g.row
            FROM unnest(subjects, befores, versions, heads, records)
                WITH ORDINALITY AS g (subject, before, version, head, row, place)
            WHERE g.before = nothing AND NOT g.place = ANY (taken)
            ORDER BY g.subject
            ON CONFLICT DO NOTHING
            RETURNING subject)
        SELECT array_agg(array_position(subjects, a.subject)) INTO more FROM added a;
        put := coalesce(more, put);
    END IF;
    WITH changed AS (
        UPDATE record r SET version = g.version, head = g.head, row = g.row
        FROM unnest(subjects, befores, versions, heads, records)
            WITH ORDINALITY AS g (subject, before, version, head, row, place)
        WHERE r.subject = g.subject AND r.head = g.before AND NOT g.place = ANY (taken)
        RETURNING g.place::int AS place)
    SELECT array_agg(c.place) INTO more FROM changed c;
    put := put || more;
    fits := ARRAY(SELECT g.place = ANY (put)
        FROM unnest(subjects) WITH ORDINALITY AS g (subject, place) ORDER BY g.place);
    written := fits;
    IF again THEN
        written := ARRAY(
            SELECT f.fits OR EXISTS (
                SELECT 1 FROM event e
                WHERE e.subject = f.subject AND e.seq = f.version AND e.tag = commit_batch.tag)
            FROM unnest(subjects, versions, fits)
                WITH ORDINALITY AS f (subject, version, fits, place)
            ORDER BY f.place);
    END IF;

    INSERT INTO event (subject, seq, tag, row)
        SELECT subjects[e.place], e.seq, commit_batch.tag, e.row
        FROM unnest(event_of, event_seqs, event_rows) AS e (place, seq, row)
        WHERE fits[e.place];
    INSERT INTO used (subject, name, row)
        SELECT subjects[n.place], n.name, n.row
        FROM unnest(name_of, names, name_rows) AS n (place, name, row)
        WHERE fits[n.place] ORDER BY n.name;
    IF cardinality(item_of) > 0 THEN
        INSERT INTO item (subject, key, row)
            SELECT subjects[i.place], i.key, i.row
            FROM unnest(item_of, item_keys, item_rows) AS i (place, key, row)
            WHERE fits[i.place] ORDER BY i.key
            ON CONFLICT (key, subject) DO UPDATE SET row = excluded.row;
    END IF;
    IF cardinality(fallen_of) > 0 THEN
        DELETE FROM item i WHERE i.key = ANY (ARRAY(
            SELECT f.key FROM unnest(fallen_of, fallen_keys) AS f (place, key)
            WHERE fits[f.place]));
    END IF;
    RETURN written;
END
$$;

-- Writes the commits of one subject, of which each rests on the one before: all of them or none,
-- and says whether. Touches rows of this subject alone, so that where tables are spread by subject
-- the whole call runs where the subject lies. What is settled may lie elsewhere and falls after.
CREATE FUNCTION commit_subject(
    spot bytea, tag bigint, again boolean,
    before bytea, last_version bigint, last_head bytea, last_row bytea,
    event_seqs bigint[], event_rows bytea[],
    names bytea[], name_rows bytea[],
    item_keys bytea[], item_rows bytea[]
) RETURNS boolean LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    fits boolean;
BEGIN
    IF EXISTS (SELECT 1 FROM used u WHERE u.subject = spot AND u.name = ANY (names)) THEN
        fits := false;
    ELSIF before = decode(repeat('00', 32), 'hex') THEN
        INSERT INTO record (subject, version, head, row)
            VALUES (spot, last_version, last_head, last_row)
            ON CONFLICT DO NOTHING;
        fits := FOUND;
    ELSE
        UPDATE record r SET version = last_version, head = last_head, row = last_row
            WHERE r.subject = spot AND r.head = before;
        fits := FOUND;
    END IF;
    IF NOT fits THEN
        RETURN again AND EXISTS (
            SELECT 1 FROM event e
            WHERE e.subject = spot AND e.seq = last_version AND e.tag = commit_subject.tag);
    END IF;
    INSERT INTO event (subject, seq, tag, row)
        SELECT spot, e.seq, commit_subject.tag, e.row
        FROM unnest(event_seqs, event_rows) AS e (seq, row);
    INSERT INTO used (subject, name, row)
        SELECT spot, n.name, n.row FROM unnest(names, name_rows) AS n (name, row);
    INSERT INTO item (subject, key, row)
        SELECT spot, i.key, i.row FROM unnest(item_keys, item_rows) AS i (key, row)
        ON CONFLICT (key, subject) DO UPDATE SET row = excluded.row;
    RETURN true;
END
$$;
