-- What the catalog says of the table $1, as JSON; no row where there is none.
SELECT jsonb_build_object(
    'name', c.relname,
    'kind', c.relkind::text,
    'is_owned', pg_has_role(c.relowner, 'USAGE'),
    'has_row_security', c.relrowsecurity,
    'comment', obj_description(c.oid, 'pg_class'),
    'columns', COALESCE((
        SELECT jsonb_agg(jsonb_build_object(
            'name', a.attname,
            'data_type', format_type(a.atttypid, a.atttypmod),
            'is_enum', t.typtype = 'e',
            'not_null', a.attnotnull,
            'default', CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END,
            'identity', a.attidentity::text,
            'is_generated', a.attgenerated <> '',
            'comment', col_description(c.oid, a.attnum),
            'dependents', COALESCE((
                SELECT jsonb_agg(DISTINCT pg_describe_object(p.classid, p.objid, p.objsubid))
                FROM pg_depend p
                LEFT JOIN pg_constraint k
                       ON p.classid = 'pg_constraint'::regclass AND k.oid = p.objid
                LEFT JOIN pg_index i ON p.classid = 'pg_class'::regclass AND i.indexrelid = p.objid
                LEFT JOIN pg_attrdef o
                       ON p.classid = 'pg_attrdef'::regclass AND o.oid = p.objid
                WHERE p.refclassid = 'pg_class'::regclass
                  AND p.refobjid = c.oid
                  AND p.refobjsubid = a.attnum
                  AND (p.classid IN ('pg_rewrite'::regclass, 'pg_trigger'::regclass,
                                     'pg_policy'::regclass)
                       OR k.contype = 'f'
                       OR o.adnum <> a.attnum
                       -- What is said of an enum's values cannot be said of texts as it stands.
                       OR t.typtype = 'e'
                          AND (k.contype = 'c' OR i.indpred IS NOT NULL OR i.indexprs IS NOT NULL))
            ), '[]')
        ) ORDER BY a.attnum)
        FROM pg_attribute a
        JOIN pg_type t ON t.oid = a.atttypid
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    ), '[]'),
    'constraints', COALESCE((
        SELECT jsonb_agg(jsonb_build_object(
            'name', k.conname,
            'kind', k.contype::text,
            'definition', pg_get_constraintdef(k.oid),
            'columns', COALESCE((
                SELECT jsonb_agg(a.attname ORDER BY n.place)
                FROM unnest(k.conkey) WITH ORDINALITY n(number, place)
                JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = n.number
            ), '[]'),
            'condition', pg_get_expr(k.conbin, k.conrelid),
            'target', (SELECT relname FROM pg_class WHERE oid = k.confrelid),
            'target_columns', COALESCE((
                SELECT jsonb_agg(a.attname ORDER BY n.place)
                FROM unnest(k.confkey) WITH ORDINALITY n(number, place)
                JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = n.number
            ), '[]'),
            'on_delete', k.confdeltype::text
        ) ORDER BY k.conname)
        FROM pg_constraint k
        WHERE k.conrelid = c.oid AND k.contype IN ('p', 'u', 'c', 'f', 'x')
    ), '[]'),
    'indexes', COALESCE((
        SELECT jsonb_agg(jsonb_build_object(
            'name', x.relname,
            'definition', pg_get_indexdef(i.indexrelid, 0, true),
            'is_unique', i.indisunique,
            'columns', COALESCE((
                SELECT jsonb_agg(a.attname ORDER BY n.place)
                FROM unnest(i.indkey::smallint[]) WITH ORDINALITY n(number, place)
                JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = n.number
            ), '[]'),
            'predicate', pg_get_expr(i.indpred, i.indrelid)
        ) ORDER BY x.relname)
        FROM pg_index i
        JOIN pg_class x ON x.oid = i.indexrelid
        WHERE i.indrelid = c.oid
          AND NOT EXISTS (SELECT FROM pg_constraint k
                          WHERE k.conindid = i.indexrelid AND k.conrelid = c.oid)
    ), '[]'),
    'incoming', COALESCE((
        SELECT jsonb_agg(jsonb_build_object(
            'name', k.conname, 'table', k.conrelid::regclass::text, 'on_delete', k.confdeltype::text
        ) ORDER BY k.conname)
        FROM pg_constraint k
        WHERE k.confrelid = c.oid AND k.contype = 'f' AND k.conparentid = 0
    ), '[]'),
    'triggers', COALESCE((
        SELECT jsonb_agg(g.tgname ORDER BY g.tgname)
        FROM pg_trigger g
        WHERE g.tgrelid = c.oid AND NOT g.tgisinternal
    ), '[]')
)
FROM pg_class c
WHERE c.oid = to_regclass($1)
