/* Work for the C compiler: structures, loops to unroll, a switch, recursion; no headers. */

typedef struct { double x, y; } point;
typedef struct { int kind; union { point circle; point box[2]; } u; } shape;

static double absolute(double x) { return x < 0 ? -x : x; }

double area(const shape *s) {
    switch (s->kind) {
    case 0: return 3.141592653589793 * s->u.circle.x * s->u.circle.x;
    case 1: return absolute((s->u.box[1].x - s->u.box[0].x) * (s->u.box[1].y - s->u.box[0].y));
    default: return 0;
    }
}

double total_area(const shape *shapes, int count) {
    double total = 0;
    for (int i = 0; i < count; i++) total += area(&shapes[i]);
    return total;
}

unsigned gcd(unsigned a, unsigned b) { return b ? gcd(b, a % b) : a; }

int coprime_pairs(unsigned limit) {
    int pairs = 0;
    for (unsigned i = 1; i < limit; i++)
        for (unsigned j = 1; j < i; j++) pairs += gcd(i, j) == 1;
    return pairs;
}

void transpose(float (*restrict to)[16], float (*restrict from)[16]) {
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < 16; j++) to[j][i] = from[i][j];
}
