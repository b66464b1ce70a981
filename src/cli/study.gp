# Above: error against N and against D. Below: seconds of one game. Sweeps that were not made are left out.
# Okabe and Ito's palette, and a shape for each method, so that no colour is needed to tell them apart.
file = "study.csv"
names = "exact cosine permutation antithetic stratified owen leave-one-out euclidean"
array colour[8] = ["#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f"]
array shape[8] = [5, 7, 9, 11, 13, 15, 3, 2]
array hollow[8] = [4, 6, 8, 10, 12, 14, 3, 2]

# Columns "x value deviation seconds gram_seconds" of a method in a sweep.
rows(sweep, method) = sprintf("< awk -F, '$1 == \"%s\" && $2 == \"%s\" && $7 != \"\" " . \
    "{print $1 == \"agents\" ? $3 : $4, $7, $8 == \"\" ? 0 : $8, $19, $20}' %s", sweep, method, file)
has(method) = int(system(sprintf("awk -F, '$2 == \"%s\"' %s | wc -l", method, file))) > 0
present = ""
do for [m in names] { if (has(m)) { present = present . " " . m } }
index(method) = sum [i=1:words(names)] (word(names, i) eq method ? i : 0)
estimates = ""
do for [m in present] { if (m ne "exact") { estimates = estimates . " " . m } }
low(mean, deviation) = mean > deviation ? mean - deviation : mean / 3

# Published numbers, method sweep x l1 deviation seconds: those of a row alone (others are means
# over several rows). 0 is not drawn: unknown, or all 120 orders of 5 agents, which is exact.
$published << END
cosine agents 5 0.0092 0.0027 2.0e-4
cosine agents 10 0.0101 0.0031 5.9e-4
permutation agents 5 0 0 0.041
permutation agents 10 0.0529 0 4.2
cosine dimension 32768 0.0018 0 1.57e-3
permutation dimension 32768 0.0411 0 5.27
END
chosen(sweep, method, value) = strcol(1) eq method && strcol(2) eq sweep && value > 0 ? value : NaN
beside(sweep, method) = chosen(sweep, method, sweep eq "agents" ? $3 + 0.15 : $3 * 1.12)

# What is drawn, as text: a loop over an empty list would still be run once.
filled = "lw 1.5 pt shape[index(m)] ps 0.8 lc rgb colour[index(m)] "
open = "lw 1 pt hollow[index(m)] ps 1.1 lc rgb colour[index(m)] "
grey = "with lines dt 2 lw 1.5 lc rgb '#999999' "
errors = "for [m in estimates] rows(sweep, m) using 1:2:(low($2, $3)):($2 + $3) with yerrorlines " . filled
times = "rows(sweep, 'exact') using 1:5 " . grey . \
    ", for [m in present] rows(sweep, m) using 1:4 with linespoints " . filled
legend = "for [m in present] NaN with linespoints " . filled . "title m, " . \
    "NaN " . grey . "title 'Gram matrix'"
theirs = ", for [m in 'cosine permutation'] "
published_errors = theirs . "$published using (beside(sweep, m)):(chosen(sweep, m, $4))" . \
    ":(chosen(sweep, m, low($4, $5))):(chosen(sweep, m, $4 + $5)) with yerrorbars " . open
published_times = theirs . "$published using (beside(sweep, m)):(chosen(sweep, m, $6)) with points " . open
published_legend = theirs . "NaN with points " . open . "title 'published, ' . m"

# Two sweeps: two columns, error above time; one sweep: error beside time. The legend lies below.
both = agents && dimensions
height = both ? 700 : 400
below(row) = both ? (row == 0 ? 0.64 : 0.20) : 0.34
above(row) = both ? (row == 0 ? 0.94 : 0.50) : 0.90
margins(left, right, bottom, top) = \
    sprintf("set lmargin at screen %f; set rmargin at screen %f; set bmargin at screen %f; set tmargin at screen %f", \
            left, right, bottom, top)
place(row, column) = margins(0.085 + 0.5 * (both ? column : row), 0.49 + 0.5 * (both ? column : row), \
                             below(row), above(row))

do for [terminal_name in "svg png"] {
    if (terminal_name eq "svg") {
        set terminal svg size 950, height font "sans-serif,13" background "#ffffff"
    } else {
        if (strstrt(GPVAL_TERMINALS, "pngcairo") > 0) {
            set terminal pngcairo size 1900, 2 * height font "sans-serif,13" fontscale 1.5 linewidth 2 pointscale 2 \
                background "#ffffff"
        } else {
            set terminal png size 950, height background "#ffffff"
        }
    }
    set output "study." . terminal_name
    set multiplot
    set border 3
    set tics nomirror
    set grid ytics lc rgb "#dddddd" lt 1 lw 0.5
    set format y "10^{%T}"
    set errorbars small
    unset mytics
    unset mxtics
    unset key
    column = 0
    do for [sweep in "agents dimension"] {
        if ((sweep eq "agents" && !agents) || (sweep eq "dimension" && !dimensions)) { continue }
        unset logscale
        set xrange [*:*]
        stats rows(sweep, "exact") using 1 nooutput
        first = STATS_min
        last = STATS_max
        set logscale y 10
        if (sweep eq "agents") {
            set format x "%.0f"
            set xtics ceil((last - first) / 10.0) > 1 ? ceil((last - first) / 10.0) : 1
            set xrange [first - 0.4 : last + 0.4]
            set xlabel "agents N"
            fixed = sprintf("D = %d", agents_dimension)
            published = published_agents
        } else {
            # Powers of two, unless all lengths are of one magnitude.
            if (last >= 8 * first) {
                set logscale x 2
                set xrange [first / 1.25 : last * 1.35]
                set xtics ()
                do for [e = floor(log(first) / log(2)) : ceil(log(last) / log(2))] {
                    set xtics add (sprintf("2^{%d}", e) 2**e)
                }
            } else {
                set format x "%.0f"
                set xtics autofreq
                set xrange [0.9 * first : 1.2 * last - 0.1 * first]
            }
            set xlabel "length of the vectors D"
            fixed = sprintf("N = %d", dimensions_agents)
            published = published_dimensions
        }
        eval place(0, column)
        set title "error against exact values, " . fixed
        set ytics 10
        set ylabel "l_1 distance (mean, deviation)"
        set yrange [*:*]
        if (estimates eq "") {
            set yrange [1e-3:1]
            plot NaN
        } else {
            eval "plot " . errors . (published ? published_errors : "")
        }
        eval place(1, column)
        set title "time of one game, " . fixed
        set ylabel "seconds"
        set ytics 100
        set yrange [*:*]
        eval "plot " . times . (published ? published_times : "")
        column = column + 1
    }
    eval margins(0.02, 0.98, 0.01, both ? 0.10 : 0.17)
    unset logscale
    unset border
    unset tics
    unset grid
    unset xlabel
    unset ylabel
    unset title
    set xrange [0:1]
    set yrange [0:1]
    set key center center Left reverse vertical maxrows 3 samplen 2 width 2
    eval "plot " . legend . (published_agents + published_dimensions > 0 ? published_legend : "")
    unset multiplot
    set output
    reset
}
# A third of the file are empty groups.
system "sed -z -i 's/<g [^>]*>\\n<.g>\\n//g' study.svg 2>/dev/null"
