-- What is kept, each row under the subject that it belongs to. Texts and names compare byte by
-- byte. Nothing here is a secret in clear: rows are as the core encodes them.

-- One record for each subject: an account, a card, a customer, a UPI number, a VPA, a capture.
CREATE TABLE record (
    subject text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    head bytea NOT NULL,
    row bytea NOT NULL,
    PRIMARY KEY (subject)
) WITH (fillfactor = 80);

-- The audit chain of each subject. The tag names the writer's batch, so that a batch whose outcome
-- got lost can be sent again.
CREATE TABLE event (
    subject text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    tag bigint NOT NULL,
    row bytea NOT NULL,
    PRIMARY KEY (subject, seq)
);

-- What may be used once: request ids, with their receipts, and blocks, with nothing.
CREATE TABLE used (
    subject text COLLATE "C" NOT NULL,
    name bytea NOT NULL,
    row bytea NOT NULL,
    PRIMARY KEY (subject, name)
);

-- In one place a name is used once by all subjects together. Where tables are spread by subject
-- this index falls, and it is used once by each (docs/scaling.md).
CREATE UNIQUE INDEX used_once ON used (name);

-- What is found by a key and in its order: messages, other names of credentials, errands.
CREATE TABLE item (
    subject text COLLATE "C" NOT NULL,
    key bytea NOT NULL,
    row bytea NOT NULL,
    PRIMARY KEY (key, subject)
);

-- Writes so many subjects' commits in one transaction, each of them whole or not at all, and says
-- which. The subjects come in order and each once; everything else names its subject by its place.
--
-- Locks are taken in one order by all writers (records by subject, then names), so that two of them
-- wait for each other but never in a circle. `again` asks for batches that may have been written
-- before: what the tag proves to be there counts as written.
CREATE FUNCTION commit_batch(
    tag bigint, again boolean,
    subjects text[], befores bytea[], versions bigint[], heads bytea[], records bytea[],
    event_of int[], event_seqs bigint[], event_rows bytea[],
    name_of int[], names bytea[], name_rows bytea[],
    item_of int[], item_keys bytea[], item_rows bytea[],
    fallen_of int[], fallen_keys bytea[]
) RETURNS boolean[] LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    taken int[];
    fits boolean[];
    written boolean[];
BEGIN
    INSERT INTO record (subject, version, head, row)
        SELECT g.subject, 0, g.before, '' FROM unnest(subjects, befores, versions)
            WITH ORDINALITY AS g (subject, before, version, place)
        WHERE g.before = decode(repeat('00', 32), 'hex')
        ORDER BY g.subject
        ON CONFLICT DO NOTHING;
    PERFORM FROM record r WHERE r.subject = ANY (subjects) ORDER BY r.subject FOR UPDATE;

    -- The names are looked up one by one, whatever the statistics say of the table: OFFSET keeps the
    -- planner from turning this into a join that begins with all that was ever used.
    taken := ARRAY(
        SELECT n.place FROM unnest(name_of, names) AS n (place, name)
        WHERE EXISTS (SELECT FROM used u WHERE u.name = n.name OFFSET 0));
    fits := ARRAY(
        SELECT r.head = g.before AND NOT g.place = ANY (taken)
        FROM unnest(subjects, befores) WITH ORDINALITY AS g (subject, before, place)
        LEFT JOIN record r ON r.subject = g.subject
        ORDER BY g.place);
    written := fits;
    IF again THEN
        written := ARRAY(
            SELECT f.fits OR EXISTS (
                SELECT FROM event e
                WHERE e.subject = f.subject AND e.seq = f.version AND e.tag = commit_batch.tag)
            FROM unnest(subjects, versions, fits)
                WITH ORDINALITY AS f (subject, version, fits, place)
            ORDER BY f.place);
    END IF;

    UPDATE record r SET version = g.version, head = g.head, row = g.row
        FROM unnest(subjects, versions, heads, records, fits) AS g (subject, version, head, row, fits)
        WHERE g.fits AND r.subject = g.subject;
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
    IF false = ANY (fits) THEN
        -- Places that were made for commits that do not fit.
        DELETE FROM record r WHERE r.subject = ANY (subjects) AND r.version = 0;
    END IF;
    RETURN written;
END
$$;

-- Writes the commits of one subject, of which each rests on the one before: all of them or none,
-- and says whether. Touches rows of this subject alone, so that where tables are spread by subject
-- the whole call runs where the subject lies. What is settled may lie elsewhere and falls after.
CREATE FUNCTION commit_subject(
    spot text, tag bigint, again boolean,
    before bytea, last_version bigint, last_head bytea, last_row bytea,
    event_seqs bigint[], event_rows bytea[],
    names bytea[], name_rows bytea[],
    item_keys bytea[], item_rows bytea[]
) RETURNS boolean LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    fits boolean;
BEGIN
    IF before = decode(repeat('00', 32), 'hex') THEN
        INSERT INTO record (subject, version, head, row) VALUES (spot, 0, before, '')
            ON CONFLICT DO NOTHING;
    END IF;
    SELECT r.head = before INTO fits FROM record r WHERE r.subject = spot FOR UPDATE;
    fits := coalesce(fits, false)
        AND NOT EXISTS (SELECT FROM used u WHERE u.subject = spot AND u.name = ANY (names));
    IF NOT fits THEN
        DELETE FROM record r WHERE r.subject = spot AND r.version = 0;
        RETURN again AND EXISTS (
            SELECT FROM event e
            WHERE e.subject = spot AND e.seq = last_version AND e.tag = commit_subject.tag);
    END IF;
    UPDATE record r SET version = last_version, head = last_head, row = last_row
        WHERE r.subject = spot;
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
