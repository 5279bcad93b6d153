#!/bin/sh
# users.sh SITE GATE…: prints who may publish and subscribe to what, as NATS wants it: one user for every
# certificate. It grants what deploy/mosquitto/egate.acl grants; one test asks both by what arrives.
set -eu
[ $# -ge 2 ] || { echo "usage: users.sh SITE GATE…" >&2; exit 2; }
for n in "$@"; do
	case $n in
	*[!A-Za-z0-9_-]* | "" | console | witness | maintenance) echo "users.sh: $n cannot be the name of a site or gate here: letters, digits, _ and -; not console, witness or maintenance (NATS makes two levels of a dot)" >&2 && exit 2 ;;
	esac
done
site=$1
shift

# list PREFIX TOPIC…: a list of subjects. What an MQTT subscription of QoS 1 is delivered through is $MQTT.sub.
list() {
	prefix=$1
	sep=
	shift
	for s in "$@"; do
		printf '%s"egate.v1.%s.%s.%s"' "$sep" "$site" "$prefix" "$s"
		sep=", "
	done
}
user() { printf '    {user: "CN=%s", permissions: {\n      publish: {allow: [%s]}\n      subscribe: {allow: [%s, "$MQTT.sub.>"]}}}\n' "$1" "$2" "$3"; }

echo "# Made by deploy/nats/users.sh $site $*"
echo "authorization {"
echo "  users: ["
for g in "$@"; do
	user "$g" "$(list "$g" status info state health audit.checkpoint cfg.reported 'evt.*' 'tel.*' 'rsp.*.*' 'req.lookup.*' 'req.referral.*' 'req.time.*')" \
		"$(list "$g" 'cmd.*.*' 'ans.*.*' 'lease.*' ack time audit.cosign cfg.desired cfg.roster status)"
done
# The officers' console with the centre of a small site; it is a witness of the audit logs itself.
user console "$(list '*' 'cmd.console.*' 'ans.console.*' lease.console ack time audit.cosign cfg.roster)" \
	"$(list '*' status info state health audit.checkpoint cfg.reported 'evt.*' 'tel.*' 'req.*.*' 'rsp.console.*')"
user witness "$(list '*' audit.cosign)" "$(list '*' audit.checkpoint)"
# Maintenance reads what names no person and orders nothing.
printf '    {user: "CN=maintenance", permissions: {\n      publish: {deny: [">"]}\n      subscribe: {allow: [%s, "$MQTT.sub.>"]}}}\n' "$(list '*' status info state health 'tel.*' evt.fault evt.boot)"
echo "  ]"
echo "}"
