#!/bin/sh
# Writes the keys that the service publishes to nginx's file of keys. A timer runs it, at
# least every five minutes:
#
#   update-keys.sh https://streams.example.com/.well-known/jwks.json /etc/nginx/edge/jwks.json
#
# It needs curl and jq. nginx reads the file at each request, so no reload is necessary.
# The file stays as it is after any fault: no answer within 10 s, an error, a redirect, a
# document over 64 KiB or without a key that nginx can use.
set -eu

url=$1
file=$2
max_bytes=65536

answer=$(mktemp "$file.XXXXXX")
keys=$(mktemp "$file.XXXXXX")
trap 'rm -f "$answer" "$keys"' EXIT

curl --fail --silent --show-error --max-time 10 --max-filesize "$max_bytes" \
    --output "$answer" "$url"
test "$(wc -c < "$answer")" -le "$max_bytes"

jq '
    def is_text: type == "string";
    def is_usable: (.kid | is_text) and .crv == "P-256" and (.x | is_text) and (.y | is_text);
    {keys: [.keys[] | objects | select(is_usable)]} | select(.keys != [])
' "$answer" > "$keys"
test -s "$keys"

# A rename is atomic: nginx reads the old file or the new one.
chmod 644 "$keys"
mv "$keys" "$file"
