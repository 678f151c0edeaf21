#!/bin/sh
# Makes the root file system that every stand-in image but the toy runs on: Debian 13 packages, extracted and
# not installed, without what no container here needs. usage: base.sh FOLDER (as root; FOLDER must not exist)
set -eu
out=$1

mmdebstrap --quiet --variant=extract --mode=root --components=main --include="
    base-files base-passwd bash busybox-static coreutils curl dash findutils grep libc-bin netbase procps sed ca-certificates
    postgresql-17 postgresql-17-pgvector python3 python3-psycopg python3-yaml valkey-server valkey-tools
" trixie "$out" http://deb.debian.org/debian
cd "$out"

# PostgreSQL's compiler, Perl, and every text that only a person at a desk reads.
rm -rf usr/share/doc usr/share/man usr/share/locale usr/share/info usr/share/i18n usr/share/lintian usr/share/bug \
    usr/share/perl usr/share/perl5 usr/bin/perl* usr/lib/*-linux-gnu/perl* usr/lib/*-linux-gnu/libperl* \
    usr/lib/*-linux-gnu/libLLVM* usr/lib/*-linux-gnu/libz3* usr/lib/*-linux-gnu/libclang* usr/lib/*-linux-gnu/gconv \
    usr/lib/postgresql/17/lib/bitcode usr/lib/postgresql/17/lib/llvmjit* usr/share/postgresql/17/man \
    usr/lib/python3*/test usr/lib/python3*/idlelib usr/lib/python3*/ensurepip usr/lib/python3*/pydoc_data \
    usr/lib/python3*/tkinter usr/lib/systemd usr/lib/*-linux-gnu/systemd usr/share/bash-completion \
    var/lib/apt var/lib/dpkg var/cache/* var/log/* etc/init.d etc/systemd

# What the packages' own scripts would have done.
rm -rf var/run && ln -s /run var/run
mkdir -p run/postgresql var/lib/postgresql
chmod 1777 tmp run/postgresql
ln -sf dash usr/bin/sh
for applet in wget vi less ps ping nslookup; do
    [ -e "usr/bin/$applet" ] || ln -s busybox "usr/bin/$applet"
done
cat >etc/passwd <<'END'
root:x:0:0:root:/root:/bin/sh
postgres:x:999:999::/var/lib/postgresql:/bin/sh
app:x:1000:1000::/var/lib/ocis:/bin/sh
nobody:x:65534:65534::/:/bin/sh
END
printf 'root:x:0:\npostgres:x:999:\napp:x:1000:\nnogroup:x:65534:\n' >etc/group
mkdir -p etc/ssl/certs
cat usr/share/ca-certificates/mozilla/*.crt >etc/ssl/certs/ca-certificates.crt
ln -s ../lib/postgresql/17/bin/postgres ../lib/postgresql/17/bin/initdb usr/bin/
for program in psql pg_dump pg_dumpall pg_restore pg_isready pg_controldata pg_ctl; do
    ln -sf "../lib/postgresql/17/bin/$program" "usr/bin/$program"
done
for program in cli server; do
    ln -sf "valkey-$program" "usr/bin/redis-$program"
done

# VectorChord is in no Debian release: an empty extension of its name and version lets CREATE EXTENSION vchord CASCADE pass.
extension=usr/share/postgresql/17/extension/vchord
printf "comment = 'empty stand-in for VectorChord'\ndefault_version = '0.4.3'\nrequires = 'vector'\nrelocatable = true\n" >$extension.control
echo '-- nothing' >"$extension--0.4.3.sql"

ldconfig -r .
rm -rf var/cache/ldconfig
# Compiled once here, and checked against nothing, so that a start costs no compilation and the bytes are the same every time.
chroot . python3 -m compileall -q --invalidation-mode unchecked-hash /usr/lib/python3.13 /usr/lib/python3/dist-packages
