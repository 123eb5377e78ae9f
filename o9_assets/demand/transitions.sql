-- Item transitions that stand.
--
-- From:  transition_versions   accepted rows of raw.item_transitions
SELECT t.from_item_code, t.to_item_code, t.effective_date
FROM (
    SELECT
        *,
        ROW_NUMBER() OVER (
            PARTITION BY from_item_code, to_item_code
            ORDER BY changed_at DESC, change_seq DESC, known_at DESC, object_name DESC, line DESC, object_id DESC
        ) AS version_rank
    FROM transition_versions
) AS t
WHERE t.version_rank = 1 AND t.op <> 'D'
