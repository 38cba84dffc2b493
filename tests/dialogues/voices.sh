#!/usr/bin/env bash
# Gets voices for compose.py from Debian's packages of telephone prompts, each in a folder: voices.sh FOLDER.
# Their licences (CC-BY-SA-3.0, GPL-2+) are in each package. Nothing is installed.
set -euo pipefail
voices=$(mkdir -p "${1:?voices.sh FOLDER}" && cd "$1" && pwd)
unpacked=$(mktemp -d)
trap 'rm -rf "$unpacked"' EXIT

cd "$unpacked"
apt-get download -qq \
  asterisk-core-sounds-{en,es,fr,it,ru}-g722 asterisk-prompt-it-menardi-wav asterisk-prompt-fr-armelle asterisk-prompt-es-co
for package in *.deb; do dpkg-deb -x "$package" .; done

# Sentences only: letters and digits lie in folders of their own, and some files are tones.
add() {
  local name=$1 folder=$2
  mkdir -p "$voices/$name"
  find "usr/share/asterisk/sounds/$folder" -maxdepth 1 -type f -size +4k -regex '.*\.\(g722\|wav\|gsm\)' \
    ! -name '*beep*' ! -name '*tone*' ! -name 'tt-*' -exec cp {} "$voices/$name/" \;
}
add june fr_CA_f_June
add carlo it_IT_m_Carlo
add menardi it_IT_f_Menardi
add ivrvoice ru_RU_f_IvrvoiceRU
add armelle fr
add colombia es
# One voice in two languages.
add allison en_US_f_Allison
for file in usr/share/asterisk/sounds/es_MX_f_Allison/*.g722; do
  cp "$file" "$voices/allison/es_$(basename "$file")"
done
