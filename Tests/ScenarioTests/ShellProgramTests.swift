internal import PmemBase
internal import Scenario
internal import Testing

@Suite struct `a shell program` {
  /// Catches a shell that reads or does something else than dash, of which these answers are.
  @Test(
    arguments: [
      (#"x=5; echo ${x:-y} ${z:-y} ${z-w} ${x:+set} ${z:+set} ${#x}"#, 0, "5 y w set 1"),
      (#"x=abc.tar.gz; echo ${x%.*} ${x%%.*} ${x#*.} ${x##*.}"#, 0, "abc.tar abc tar.gz gz"),
      (#"if [ 1 -eq 1 ]; then echo a; elif false; then echo b; else echo c; fi"#, 0, "a"),
      (#"if false; then echo a; elif true; then echo b; else echo c; fi"#, 0, "b"),
      (
        #"i=0; while [ $i -lt 5 ]; do i=$((i+1)); [ $i = 3 ] && continue; echo $i; done"#, 0,
        "1\n2\n4\n5"
      ),
      (#"i=0; until [ $i -ge 3 ]; do echo $i; i=$((i + 1)); done"#, 0, "0\n1\n2"),
      (
        #"for i in 1 2 3; do for j in a b; do [ $j = b ] && continue 2; echo $i$j; done; done"#, 0,
        "1a\n2a\n3a"
      ),
      (#"for i in 1 2 3; do [ $i = 2 ] && break; echo $i; done; echo end $i"#, 0, "1\nend 2"),
      (#"case abc in a*) echo one;; *) echo two;; esac"#, 0, "one"),
      (#"case x in a|b) echo ab;; [w-z]) echo wz;; esac"#, 0, "wz"),
      (#"case "a b" in "a b") echo yes;; esac"#, 0, "yes"),
      (#"f() { echo "$1-$#"; return 3; }; f x y; echo $?"#, 0, "x-2\n3"),
      (#"! true; echo $?; ! false; echo $?"#, 0, "1\n0"),
      (#"true && echo a || echo b; false && echo a || echo b"#, 0, "a\nb"),
      (#"echo $(echo a; echo b) "$(echo a; echo b)""#, 0, "a b a\nb"),
      (
        #"echo `echo x` $((1+2*3)) $((10/3)) $((10%3)) $((1<<4)) $((5>3)) $((5>3 && 2>1)) $((1?2:3)) $((~0)) $((!5))"#,
        0, "x 7 3 1 16 1 1 2 -1 0"
      ),
      (#"echo $((0x10 + 010)) $(( (1+2)*3 )) $((-5/2)) $((-5%3))"#, 0, "24 9 -2 -2"),
      (#"x=4; echo $((x*2)) $(($x+1)) $((x+=3)) $x"#, 0, "8 5 7 7"),
      (#"echo $((1/0)); echo hi"#, 2, "sh: 1: arithmetic expression: division by zero: \"1/0\""),
      (#"echo $((1+)); echo hi"#, 2, "sh: 1: arithmetic expression: expecting primary: \"1+\""),
      (#"[ a = a ] && [ a != b ] && [ -n x ] && [ -z "" ] && echo ok"#, 0, "ok"),
      (#"[ 1 -lt 2 -a 2 -gt 1 ] && echo and; [ 1 -gt 2 -o 2 -gt 1 ] && echo or"#, 0, "and\nor"),
      (#"[ 1 -eq a ]; echo $?"#, 0, "2\nsh: 1: [: Illegal number: a"),
      (#"[ ]; echo $?; [ x ]; echo $?; [ "" ]; echo $?; [ -n ]; echo $?"#, 0, "1\n0\n1\n0"),
      (#"[ \( a = a \) -a ! b = c ]; echo $?"#, 0, "0"),
      (
        #"echo a > /tmp/sdx; cat /tmp/sdx; echo b >> /tmp/sdx; cat /tmp/sdx; cat < /tmp/sdx | wc -l; rm /tmp/sdx"#,
        0, "a\na\nb\n2"
      ),
      (#"echo err 1>&2 2>/dev/null; echo x >&2"#, 0, "err\nx"),
      (#"{ echo out; echo err >&2; } 2>/dev/null"#, 0, "out"),
      (#"{ echo out; echo err >&2; } >/dev/null"#, 0, "err"),
      (#"(x=1; echo $x); echo "[$x]""#, 0, "1\n[]"),
      (#"x=1; { x=2; }; echo $x"#, 0, "2"),
      (#"echo a | { read x; echo "got $x"; }; echo "[$x]""#, 0, "got a\n[]"),
      (
        #"printf '%s-%d\n' a 1 b 2; printf '%5s|%-5s|%05d|%x\n' ab cd 42 255"#, 0,
        "a-1\nb-2\n   ab|cd   |00042|ff"
      ),
      (#"printf 'a\tb\n'; printf '%s\n' "$@"; printf '%%\n'"#, 0, "a\tb\n\n%"),
      (#"seq 3; seq 2 4; seq 1 2 7"#, 0, "1\n2\n3\n2\n3\n4\n1\n3\n5\n7"),
      (
        #"seq 10 | head -3; seq 10 | tail -2; seq 10 | tail -n +9; seq 5 | head -n 2"#, 0,
        "1\n2\n3\n9\n10\n9\n10\n1\n2"
      ),
      (
        #"seq 20 | grep -c 1; seq 20 | grep 1 | tr '\n' ' '; echo abc | grep -q b && echo yes"#, 0,
        "11\n1 10 11 12 13 14 15 16 17 18 19 yes"
      ),
      (
        #"echo foo bar | sed 's/o/0/g'; echo foo bar | sed 's/\(f\)\(o*\)/\2\1/'"#, 0,
        "f00 bar\noof bar"
      ),
      (
        #"seq 5 | sed -n 2p; seq 5 | sed 2,3d; seq 5 | sed -n '/3/,$p'; seq 5 | sed '$d'"#, 0,
        "2\n1\n4\n5\n3\n4\n5\n1\n2\n3\n4"
      ),
      (#"echo "a b c" | awk '{print $2, $NF}'; seq 5 | awk '{s+=$1} END {print s}'"#, 0, "b c\n15"),
      (
        #"seq 5 | awk 'NR==2 {print "x" $1} $1>4'; echo a:b:c | awk -F: '{print $2}'"#, 0,
        "x2\n5\nb"
      ),
      (#"echo "x = 5 (7)" | sed "s/.*(\([0-9]*\)).*/\1/""#, 0, "7"),
      (
        #"echo a,b,c | cut -d, -f2; echo abcdef | cut -c2-4; echo a:b:c | cut -d: -f2-"#, 0,
        "b\nbcd\nb:c"
      ),
      (#"echo hello | tr a-z A-Z; echo aabb | tr -d a; echo aabb | tr -s ab"#, 0, "HELLO\nbb\nab"),
      (
        #"printf '3\n1\n2\n1\n' | sort | uniq -c | awk '{print $1, $2}'; printf '10\n9\n' | sort -n; printf '10\n9\n' | sort"#,
        0, "2 1\n1 2\n1 3\n9\n10\n10\n9"
      ),
      (#"basename /a/b/c; dirname /a/b/c; basename a.txt .txt"#, 0, "c\n/a/b\na"),
      (#"set -- a b c; echo $# $1 $3; shift; echo $1; echo "$@" | wc -w"#, 0, "3 a c\nb\n2"),
      (
        #"set -- "a b" c; for x in "$@"; do echo "[$x]"; done; for x; do echo $x; done"#, 0,
        "[a b]\n[c]\na b\nc"
      ),
      (#"x="a b"; echo $x "$x"; y=$x; echo "$y""#, 0, "a b a b\na b"),
      (#"IFS=:; x=a:b:c; unset IFS; echo $x"#, 0, "a:b:c"),
      (
        #"echo 'single $x' "double \$x \"q\"" un\ quoted"#, 0, "single $x double $x \"q\" un quoted"
      ),
      (#"echo a;echo b & wait"#, 0, "a\nb"),
      (#"false; echo $?; true; echo $?"#, 0, "1\n0"),
      (#"sh -c 'echo $1 $0' name arg; sh -c 'exit 7'; echo $?"#, 0, "arg name\n7"),
      (#"exit 5; echo no"#, 5, ""),
      (#"eval 'x=3; echo $x'; eval echo a b"#, 0, "3\na b"),
      (#"echo "${x:=def}" $x"#, 0, "def def"),
      (#"f() { local v=1; echo $v; }; v=2; f; "#, 0, "1"),
      (#"printf '1 2\n3 4\n' | while read a b; do echo $((a+b)); done"#, 0, "3\n7"),
      (#"echo a b c | xargs echo x; echo "1 2" | xargs -n1 echo | cat"#, 0, "x a b c\n1\n2"),
      (#"x=$(false); echo $?; x=$(exit 4) ; echo $?"#, 0, "1\n4"),
      (#"set -e; true; false; echo no"#, 1, ""),
      (#"set -e; if false; then :; fi; false || true; echo yes"#, 0, "yes"),
      (#"a=1 b=2; echo $a$b; a=5 echo $a; echo $a"#, 0, "12\n1\n1"),
      (#"echo "a"#, 2, "sh: 1: Syntax error: Unterminated quoted string"),
      (#"if then fi"#, 2, "sh: 1: Syntax error: \"then\" unexpected"),
      (#"fi"#, 2, "sh: 1: Syntax error: \"fi\" unexpected"),
      (#"case in"#, 2, "sh: 1: Syntax error: end of file unexpected (expecting \"in\")"),
      (#"for i in a b c; do echo $i; done | tac"#, 0, "c\nb\na"),
      (#"echo $((2**3))"#, 2, "sh: 1: arithmetic expression: expecting primary: \"2**3\""),
      (#"expr 1 + 2; expr 3 - 3; echo $?"#, 0, "3\n0\n1"),
      (#"x=abc; echo ${x#a} ${x%c} "${x#?}" ${#x}"#, 0, "bc ab bc 3"),
      (#"echo "a  b"   c | cut -d' ' -f1"#, 0, "a"),
      (#"[ "a" \< "b" ] && echo less"#, 0, "less"),
      (#"x=; [ -z $x ] && echo empty"#, 0, "empty"),
      (#"test "$(seq 3 | wc -l)" -eq 3 && echo three"#, 0, "three"),
      (#"echo one two | while read x y; do echo $y; done"#, 0, "two"),
      (#"n=0; for f in a b c; do n=$((n+1)); done; echo $n"#, 0, "3"),
      (#"true | false; echo $?; false | true; echo $?"#, 0, "1\n0"),
      (#"( exit 3 ); echo $?"#, 0, "3"),
      (#"{ false; }; echo $?"#, 0, "1"),
      (#"echo x#y # comment"#, 0, "x#y"),
      (#"echo a \"#, 0, "a \\"),
      (#"i=10; while :; do i=$((i-1)); [ $i -eq 7 ] && break; done; echo $i"#, 0, "7"),
      (#"x='a*b'; echo "$x"; case $x in a\*b) echo lit;; esac"#, 0, "a*b\nlit"),
      (#"y=$((3>2?10:20)); echo $y; echo $((1||0)) $((0&&1/0))"#, 0, "10\n1 0"),
      (#"printf '%s\n' a b c | sed -n '$='"#, 0, "3"),
      (
        #"echo "x y z" | awk '{ sub(/y/, "Y"); print; print length($0); print substr($0,1,3); print toupper($1) }'"#,
        0, "x Y z\n5\nx Y\nX"
      ),
      (#"echo "12: 5..6" | awk '$1 == "12:" { sub(/\.\./, "", $2); print $2 }'"#, 0, "56"),
      (#"printf 'a b\nc d\n' | awk '/c/ {print $2} !/c/ {print "no"}'"#, 0, "no\nd"),
      (
        #"awk 'BEGIN { x = 3; if (x > 2) print "big"; else print "small"; printf "%d %s\n", x*2, "s" }'"#,
        0, "big\n6 s"
      ),
      (#"awk 'BEGIN { print 1/3*3, 7%3, 2*3+1, "a" "b", 1==1, "a"<"b" }'"#, 0, "1 1 7 ab 1 1"),
    ] as [(String, Int, String)])
  func `does what dash does`(program: String, status: Int, output: String) throws {
    var machine = Simulator(kernel: .v7_2)
    let step = try machine.perform(line: "- sh " + program)
    #expect(step?["rc"] == .int(status))
    #expect(step?["output"] == .string(output))
  }
}
