ask() {
  token=@SECRET@
  text="$(printf %s "$*" | sed 's/\\/\\\\/g; s/"/\\"/g')"
  body='{"conversation": "try", "user": {"id": "me"}, "text": "'"$text"'"}'
  curl -sN @URL@ -H 'Content-Type: application/json' -H 'Accept: text/event-stream' \
    -H "Authorization: Bearer $token" -d "$body"
}
