# shellcheck shell=bash
# Sourced by ./check and ./try: makes a fresh Debian machine able to run them, and says what it does.

CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/patriark-homelab
PATH=$PATH:/usr/sbin:/sbin
mkdir -p "$CACHE" tests/output
# Held as long as anything of ./check or ./try works with the cache: ./try --down takes it away only when nobody else does.
exec {CACHE_LOCK}>>"$CACHE.lock"
flock --shared "$CACHE_LOCK"
export CACHE_LOCK

say() { printf '%s\n' "$*" >&2; }

# need_packages COMMAND=PACKAGE...: installs the packages whose command is not there.
need_packages() {
    local pair missing=() as_root=()
    for pair; do
        command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
    done
    ((${#missing[@]})) || return 0
    ((EUID == 0)) || as_root=(sudo)
    if ! command -v apt-get >/dev/null || { ((EUID)) && ! command -v sudo >/dev/null; }; then
        say "Missing: ${missing[*]} (Debian's names). Install them first; on Debian, as root: apt-get install ${missing[*]}"
        exit 1
    fi
    say "Installing Debian packages: ${missing[*]}"
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
    # Behind timeout, sudo could not ask for a password.
    if ! { "${as_root[@]}" timeout 300 "${apt[@]}" update &&
        "${as_root[@]}" timeout 900 "${apt[@]}" install --yes --no-install-recommends "${missing[@]}"; } \
        >tests/output/apt.log 2>&1 </dev/null; then
        tail -n 20 tests/output/apt.log >&2
        say "The packages could not be installed; the whole log: tests/output/apt.log"
        exit 1
    fi
    printf '%s\n' "${missing[@]}" >>"$CACHE/installed-packages"
}

# find_python VERSION...: the first of these Pythons that is there and can make virtual environments.
find_python() {
    local version candidate others
    others=$(pyenv root 2>/dev/null || true) # pyenv keeps the versions that are not chosen out of PATH
    for version; do
        for candidate in $(type -aP "python$version") "$others"/versions/"$version".*/bin/python3; do
            if "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
                printf '%s\n' "$candidate"
                return
            fi
        done
    done
    return 1
}

# The newest Python of this machine; where there is none, Debian's.
newest_python() {
    local newest=(3.14 3.13 3.12 3.11)
    find_python "${newest[@]}" && return
    need_packages no-such-command=python3 no-such-command=python3-venv
    find_python "${newest[@]}" && return
    say "Python 3.11 or newer is needed; this machine's is $(python3 --version 2>&1 || true)."
    exit 1
}

# make_environment NAME PYTHON: prints the virtual environment with tests/requirements/NAME.txt, made where it is missing.
make_environment() {
    local name=$1 python=$2 key folder
    key=$({ "$python" -c 'import sys; print(sys.version, sys.base_prefix)' && cat tests/requirements/*.txt; } | sha256sum)
    folder=$CACHE/environments/$name-${key:0:16}
    mkdir -p "$CACHE/environments"
    (
        flock 9
        [[ -e $folder/complete ]] && exit
        say "Making the virtual environment '$name' with $("$python" --version)"
        rm -rf "$folder"
        if ! { "$python" -m venv "$folder" &&
            timeout 900 "$folder/bin/pip" install --no-compile --disable-pip-version-check --requirement "tests/requirements/$name.txt"; } \
            >tests/output/pip.log 2>&1 </dev/null; then
            grep -v '^WARNING' tests/output/pip.log | tail -n 20 >&2
            say "The virtual environment could not be made; the whole log: tests/output/pip.log"
            exit 1
        fi
        touch "$folder/complete"
    ) 9>"$CACHE/environments/.lock" || exit 1
    printf '%s\n' "$folder"
}

# The checkout under its name as a collection, for Ansible to find.
link_collection() {
    mkdir -p tests/output/collections/ansible_collections/patriark
    ln -sfn ../../../../.. tests/output/collections/ansible_collections/patriark/homelab
    export ANSIBLE_COLLECTIONS_PATH=$PWD/tests/output/collections
}
