-- name: MakeSalt :exec
INSERT INTO visitor_salts (day, secret) VALUES (@day, @secret) ON CONFLICT (day) DO NOTHING;

-- name: GetSalt :one
SELECT day, secret, made_at FROM visitor_salts WHERE day = @day;

-- name: ForgetSalts :execrows
DELETE FROM visitor_salts WHERE made_at < now() - make_interval(secs => @seconds::float8);
