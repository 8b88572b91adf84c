ask() {
  secret=@SECRET@
  key="${secret#whsec_}"
  while [ $((${#key} % 4)) -ne 0 ]; do key="$key="; done
  key="$(printf %s "$key" | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \n')"
  text="$(printf %s "$*" | sed 's/\\/\\\\/g; s/"/\\"/g')"
  body='{"conversation": "try", "user": {"id": "me"}, "text": "'"$text"'"}'
  id="msg_$(openssl rand -hex 8)"
  now="$(date +%s)"
  signature="$(printf %s "$id.$now.$body" |
    openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | openssl base64 -A)"
  curl -sN @URL@ -H 'Content-Type: application/json' -H 'Accept: text/event-stream' \
    -H "webhook-id: $id" -H "webhook-timestamp: $now" -H "webhook-signature: v1,$signature" -d "$body"
}
