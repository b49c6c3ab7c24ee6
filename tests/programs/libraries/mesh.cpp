/* meshoptimizer, in C++, simplifies a landscape of triangles, orders it for caches, and packs and
 * unpacks its vertices. */
#define NAME "mesh"
#define DEFAULT_SCALE 1
#include <vector>
#include "inputs.h"
#include "library.h"
#include "meshoptimizer.h"

enum { SIDE = 32 };

struct Vertex {
    float x, y, z;
};

static void make(std::vector<Vertex> &vertices, std::vector<unsigned> &indices) {
    for (u32 y = 0; y < SIDE; y++)
        for (u32 x = 0; x < SIDE; x++) {
            float height = float((x * x + 3 * y) % 17) / 16 + float(rng() >> 60) / 64;
            vertices.push_back({float(x), float(y), height});
        }
    for (u32 y = 0; y + 1 < SIDE; y++)
        for (u32 x = 0; x + 1 < SIDE; x++) {
            u32 at = y * SIDE + x;
            indices.insert(indices.end(), {at, at + 1, at + SIDE});
            indices.insert(indices.end(), {at + 1, at + SIDE + 1, at + SIDE});
        }
}

static u64 round_of_work(u64 sum, std::vector<Vertex> &vertices, const std::vector<unsigned> &all) {
    std::vector<unsigned> indices(all.size());
    size_t count = meshopt_simplify(indices.data(), all.data(), all.size(), &vertices[0].x,
                                    vertices.size(), sizeof(Vertex), all.size() / 3, 0.05f);
    indices.resize(count);
    meshopt_optimizeVertexCache(indices.data(), indices.data(), count, vertices.size());
    std::vector<Vertex> ordered(vertices.size());
    size_t used = meshopt_optimizeVertexFetch(ordered.data(), indices.data(), count,
                                              vertices.data(), vertices.size(), sizeof(Vertex));
    std::vector<u8> packed(meshopt_encodeVertexBufferBound(used, sizeof(Vertex)));
    size_t size = meshopt_encodeVertexBuffer(packed.data(), packed.size(), ordered.data(), used,
                                             sizeof(Vertex));
    std::vector<Vertex> again(used);
    REQUIRE(meshopt_decodeVertexBuffer(again.data(), used, sizeof(Vertex), packed.data(), size)
            == 0);
    REQUIRE(memcmp(again.data(), ordered.data(), used * sizeof(Vertex)) == 0);
    sum = mix_bytes(sum, indices.data(), count * sizeof indices[0]);
    return mix(sum, size);
}

static u64 library(u32 scale) {
    std::vector<Vertex> vertices;
    std::vector<unsigned> indices;
    u64 sum = 0;
    make(vertices, indices);
    for (u32 round = 0; round < scale; round++) {
        vertices[round % vertices.size()].z += 0.25f;
        sum = round_of_work(sum, vertices, indices);
    }
    return sum;
}
