#!/bin/sh
# A database for each service, and a user who sees that one alone. The PostgreSQL image runs this on its first start.
set -eu
for service in users posts social notifications mailer; do
    psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
        --set service="$service" --set password="$POSTGRES_PASSWORD" <<'SQL'
CREATE USER :"service" PASSWORD :'password';
CREATE DATABASE :"service" OWNER :"service";
REVOKE CONNECT ON DATABASE :"service" FROM PUBLIC;
SQL
done
