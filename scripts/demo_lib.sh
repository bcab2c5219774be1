# What the demos share: programs, headings, a daemon of their own in $folder. Sourced by them, with $folder set.

readonly unlearnd=target/release/unlearnd unlearnctl=target/release/unlearnctl
for program in "$unlearnd" "$unlearnctl"; do
    [[ -x "$program" ]] || { echo "demo: $program is missing; run 'make build'" >&2; exit 1; }
done

say() { printf '\n\033[1m%s\033[0m\n' "$*" | if [[ -t 1 ]]; then cat; else sed 's/\x1b\[[0-9;]*m//g'; fi; }
# The value of a name in the JSON object on standard input.
value_of() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }

# Further arguments are those of the daemon.
start_daemon() {
    "$unlearnd" --listen 127.0.0.1:0 --data-dir "$folder/data" --root "$folder" "$@" >"$folder/unlearnd.log" 2>&1 &
    daemon=$!
    trap stop_daemon EXIT
    for _ in $(seq 300); do
        [[ -s "$folder/data/address" ]] && break
        kill -0 "$daemon" 2>/dev/null || { echo "demo: unlearnd did not start:" >&2; tail -n 20 "$folder/unlearnd.log" >&2; exit 1; }
        sleep 0.1
    done
    UNLEARND_SERVER=http://$(<"$folder/data/address")
    export UNLEARND_SERVER
}

stop_daemon() {
    kill "$daemon" 2>/dev/null || true
    wait "$daemon" 2>/dev/null || true
}
