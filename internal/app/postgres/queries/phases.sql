-- name: InsertPhase :one
INSERT INTO phase_data (customer_id, phase, repo, commit_sha, branch, issue_number, data, inserted_at)
VALUES (@customer_id, @phase, @repo, @commit_sha, @branch, @issue_number, @data, @now)
RETURNING id;

-- name: LatestPhases :many
SELECT DISTINCT ON (phase, issue_number) phase, commit_sha, branch, issue_number, data, inserted_at
FROM phase_data
WHERE customer_id = @customer_id AND repo = @repo
    AND (phase <> 'scan' OR @commit_sha::text = '' OR commit_sha = @commit_sha::text)
    AND (phase = 'scan' OR @issue::int = 0 OR issue_number = @issue::int)
ORDER BY phase, issue_number, id DESC
LIMIT 500;
